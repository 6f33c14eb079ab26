import { ALGORITHMS_FILE, algorithmsPicture, algorithmsTable } from "./algorithms-figures.js";
import { readStudy } from "./secrets/figures.js";

/** docs/algorithms.md: its words, with the table of docs/algorithms.json. */
export function algorithmsDocument(): string {
  return words.replace("{table}", algorithmsTable(readStudy(ALGORITHMS_FILE)));
}

/** docs/algorithms.svg, which the page shows. */
export function algorithmsDrawing(): string {
  return algorithmsPicture(readStudy(ALGORITHMS_FILE));
}

const words = `# RLOO, GRPO and DPO

PPO-max can be compared in one spec with what people use in its place. RLOO and GRPO are presets of the kind \`ppo\`: they share its rollouts, rewards, tricks, minibatches,
guards and checkpoints, and do without a critic. DPO is a kind of its own, and needs neither rollouts nor a reward model.

\`\`\`json
"rloo": { "kind": "ppo", "preset": "rloo", "policy": "sft", "reward": "rm", "prompts": "hh" },
"grpo": { "kind": "ppo", "preset": "grpo", "policy": "sft", "reward": "rm", "prompts": "hh" },
"dpo":  { "kind": "dpo", "policy": "sft", "data": "preferences", "beta": 0.1 }
\`\`\`

## RLOO and GRPO

The trick \`groupBaseline\` takes the critic's place: \`samples\` answers are drawn to each prompt, so that \`rollouts\` answers are \`rollouts / samples\` prompts, and what an
answer returns above the prompt's others is the advantage of each of its tokens. A stage with it names no \`critic\`; \`validate\` refuses one that nothing would use, a
missing one where it is needed, and tricks that read its values (\`gae\`, \`valueClipping\`). The presets are sets of tricks like the others, and \`tricks\` changes single ones:

| | \`rloo\` | \`grpo\` |
|---|---|---|
| advantage (\`groupBaseline\`) | score − η · KL of the whole answer, less the mean of the prompt's other answers | score, less the mean of all the prompt's answers, over their standard deviation |
| KL to the reference | in the reward (\`klPenalty\`, η 0.05) | in the loss (\`klLoss\`, β 0.04, the k3 estimate) |
| ratio and its clip | of whole answers (\`sequenceRatio\`), ± 0.2 | of tokens, ± 0.2 |
| loss | mean over answers | mean over answers of the mean over their tokens (\`lossAggregation\`) |

- RLOO is Ahmadian et al., [arXiv 2402.14740](https://arxiv.org/abs/2402.14740), with TRL's conventions: a clipped ratio, which is 1 and does nothing where each answer is used once.
- GRPO is Shao et al., [arXiv 2402.03300](https://arxiv.org/abs/2402.03300), eq. 3 and 4. The deviation has the divisor n − 1, and 10⁻⁴ is added to it, as in TRL.
- Dr. GRPO ([arXiv 2503.20783](https://arxiv.org/abs/2503.20783)) is \`"preset": "grpo"\` with \`"tricks": { "groupBaseline": { "scale": false }, "lossAggregation": { "mode": "answer-sum" } }\`;
  with \`"lossAggregation": false\` every token of a minibatch weighs the same.
- All other tricks go along: \`rewardNormalization\`, \`adaptiveKl\` (of \`klPenalty\`), \`entropyBonus\`, \`pretrainingLoss\` and the rest. \`klPenalty\` beside \`klLoss\` counts the KL twice, and a warning says so.
- \`samples/return_std\` is how far the returns of a prompt's answers are apart, \`samples/alike\` the share of prompts whose answers all return the same and teach nothing, \`loss/kl\` the KL in the loss.

## DPO

Direct preference optimisation (Rafailov et al., [arXiv 2305.18290](https://arxiv.org/abs/2305.18290)) learns from pairs directly: with Δ the log-ratio of policy to reference on the chosen answer less that on the
rejected one, the loss is −log σ(βΔ). \`labelSmoothing\` is the share of labels taken to be wrong (cDPO); \`"loss": "hinge"\` is max(0, 1 − βΔ), \`"loss": "ipo"\` is (Δ − 1/(2β))² with
log-probabilities per token, as in TRL. The reference is the policy as it starts unless \`reference\` names a model; with \`lora\` it is the policy with its adapter off, and no second copy is held.
Its log-probabilities are computed with each batch, so a resumed stage ends with the bytes of one that was never interrupted. Log-probabilities are at temperature 1.

Metrics have TRL's names: \`rewards/chosen\` and \`rewards/rejected\` (β log π/π_ref), \`rewards/accuracies\`, \`rewards/margins\`, \`logps/chosen\`, \`logps/rejected\`, and on held-out pairs
\`rewards/held_out_accuracies\` and \`rewards/held_out_margins\`. Watch \`logps/chosen\`: DPO may lower it while the margin grows.

## Side by side

\`npx trueline run pipelines/algorithms.json\` takes the sample task through all four from the same SFT and reward model, each held to the SFT model at three strengths, with three seeds. PPO-max, RLOO and GRPO sample 5,120
answers each (80 iterations of 64; RLOO and GRPO four to each of 16 prompts); DPO goes once over the pairs on which the reward model was trained. Figures are means over seeds on 240 held-out prompts, against three SFT
answers each, with the least and the greatest in parentheses; the gold score, which no stage trains on, knows the right answers.

![Gold score and reward model's score against KL, by algorithm](algorithms.svg)

{table}

At some 3 nats from the SFT model PPO-max's answers are worth 0.85, RLOO's 0.82, GRPO's 0.78 and DPO's 0.68. RLOO comes closest, without a critic, and is as good at half that distance; let looser, it gains proxy reward and
loses gold score, where PPO-max loses nothing yet. GRPO's \`klLoss\` finds no
strength that does as well as a penalty in the reward: held loosely it goes 7 nats for no more proxy reward than the others have at 3, held tightly it learns little. DPO sees no answers of its own; with one of three seeds it
ends a tenth better and half as far away, so more seeds would be needed to rank its strengths.

What the comparison leaves open: PPO-max has pretraining text in its loss and a critic that was pretrained on 1,280 answers more; RLOO and GRPO see 16 prompts in an iteration where PPO-max sees 64; no learning rate was
tuned for any of them.

\`npm run study -- --folder pipelines --only algorithms --file algorithms.json\` runs it and writes [algorithms.json](algorithms.json); \`npm run schema\` writes this page from it. The formulas agree with TRL's, gradients
too: [oracles.md](oracles.md).
`;
