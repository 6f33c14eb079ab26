import { readStudy, type StudyRun } from "./secrets/figures.js";
import { mean } from "./secrets/measures.js";

const FILE = "group-invariance.json";
const variants = { kl: "PPO with a KL penalty", max: "PPO-max", group: "PPO-max, groupInvariance" } as const;
type Variant = keyof typeof variants;

/** docs/group-invariance.md: its words, with the table that `npm run study` has measured. */
export function groupInvarianceDocument(): string {
  return words.replace("{results}", results());
}

function results(): string {
  const { runs, processors, versions } = readStudy(FILE);
  const of = (variant: Variant): readonly StudyRun[] => runs.filter((run) => run.variant.split(".").includes(variant));
  const spread = (values: readonly number[]): string => (values.length === 0 ? "" : `${mean(values).toFixed(3)} (${Math.min(...values).toFixed(3)} to ${Math.max(...values).toFixed(3)})`);
  const last = (run: StudyRun, metric: keyof StudyRun["curves"]): number => mean((run.curves[metric] ?? []).slice(-8));
  const group = (run: StudyRun, language: string): StudyRun["groups"][string] => run.groups[`language=${language}`]!;
  const net = (run: StudyRun, language: string): number => group(run, language).win - group(run, language).lose;
  return [
    `${runs.length} policies; ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")}; ${processors}. Mean over seeds, and the range.`, "",
    "| policy | seeds | gold, English | gold, Chinese | wins − losses against SFT, English | Chinese | KL, nats an answer |", "|---|---|---|---|---|---|---|",
    ...(Object.keys(variants) as Variant[]).map((variant) => `| ${[
      variants[variant], of(variant).map(({ seed }) => seed).join(", "),
      spread(of(variant).map((run) => group(run, "en").gold)), spread(of(variant).map((run) => group(run, "zh").gold)),
      spread(of(variant).map((run) => net(run, "en"))), spread(of(variant).map((run) => net(run, "zh"))), spread(of(variant).map((run) => last(run, "objective/kl"))),
    ].join(" | ")} |`),
    "", ...(["max", "kl"] as const).map((other) => `- ${comparison(of("group"), of(other), other)}`),
    `- Over the last 8 steps the groups explain ${spread(of("group").map((run) => last(run, "group/explained")))} of the variance of returns.`,
  ].join("\n");
}

/** In words, seed by seed: out of distribution, against another setting. */
function comparison(ours: readonly StudyRun[], others: readonly StudyRun[], other: Variant): string {
  const apart = ours.flatMap((run) => {
    const same = others.find(({ seed }) => seed === run.seed);
    return same === undefined ? [] : [run.groups["language=zh"]!.gold - same.groups["language=zh"]!.gold];
  });
  const better = apart.filter((difference) => difference > 0).length;
  return `Out of distribution groupInvariance scores above ${variants[other]} for ${better} of ${apart.length} seeds, by ${mean(apart).toFixed(3)} of gold in the mean.`;
}

const words = `# Group-invariant learning

The trick \`groupInvariance\` of \`ppo\` stages: a policy that is about as good on the answers where reward is easily had as on the others. It is made **after** "Improving
Generalization of Alignment with Human Preferences through Group Invariant Learning" (arXiv 2310.11971), **G** below, from what its abstract and reviews say; where they say
nothing, the choice is ours and is named here.

\`\`\`json
"ppo": { "kind": "ppo", "preset": "ppo-max", "tricks": { "groupInvariance": { "coefficient": 0.5, "klWeight": "probability" } }, "…": "…" }
\`\`\`

An iteration goes like this:

1. Answers are sampled and scored as ever. The critic gives its **features** too: the state after its last norm at each answer's last token.
2. A **classifier** on these features gives each answer its probability *p* of the group with the higher return.
3. The answer's KL penalty is multiplied by *p*: what earns much is held close to the reference, what earns little may explore.
4. The policy's objective is E[R] − β Var_g(R_g), R_g the mean return of a group. Its gradient is added to the advantages, below.
5. When policy and critic are updated, the classifier takes some steps that **raise** the variance between the groups on the same answers. The next iteration uses it.

| parameter | default | |
|---|---|---|
| \`coefficient\` | 0.5 | β |
| \`klWeight\` | \`probability\` | what multiplies the KL penalty: *p*, which about halves it; \`balanced\`, *p* over its mean in the batch, which keeps it; \`off\` |
| \`classifierLearningRate\` | 0.1 | of its gradient ascent |
| \`classifierSteps\` | 10 | an iteration |
| \`classifierWeightDecay\` | 0.01 | |

It needs a critic, so not with \`groupBaseline\`; the classifier is in the checkpoint, and a resumed stage ends with the bytes of one that was never interrupted. Nothing but
features crosses the backend's boundary, and all backends give them.

## What G leaves open, and what is done here

| open | here |
|---|---|
| number of groups | two |
| hard or soft groups | soft: an answer belongs to the high group with *p*, to the other with 1 − *p* |
| R_g | mean return by membership; the return is the sum of an answer's rewards, reward tricks and KL penalty included |
| Var_g | each group counted by its share *s*: s(1 − s)(R_high − R_low)². Were both counted alike, the best answer alone would be a group |
| which group is the high one | the classifier ascends R_high − R_low with its sign, in units in which a batch's returns have variance 1 |
| form of the classifier | logistic, on features centred over the batch and divided by their root mean square; it starts at 0, where every *p* is ½ |
| its training | plain gradient ascent with weight decay; G's β_critic is the learning rate. The critic's weights do not see it |
| order | the classifier's turn comes after the policy's: an answer is never told apart by a classifier that has seen its return |
| β, rates, schedule | the defaults above, constant |
| normalisation of *p* in the KL weight | none, or \`balanced\` |

## The gradient of the variance

With p, R and their means s and R̄ over the policy's answers, and K = E[(p − s)(R − R̄)], the groups' means are R̄ + K/s and R̄ − K/(1 − s), so
Var_g(R_g) = K²/(s(1 − s)). This is a function of the three expectations E[p], E[R] and E[pR], and ∇E[f] = E[f ∇ log π]; so its gradient is E[ψ ∇ log π] with

ψ − ψ̄ = 2K/D · ((p − s)(R − R̄) − K) − K²(1 − 2s)/D² · (p − s), D = s(1 − s).

−β (ψ − ψ̄) is added to the advantage of each of an answer's tokens, before advantages are normalised; the critic's returns stay as they are. A test compares the gradient with
central differences of the variance on a softmax over six answers.

K/D is R_high − R_low. The first part of −βψ therefore weighs an answer's distance from the mean return by 1 − 2β (R_high − R_low)(p − s): less in the high group, more in the
other; where (R_high − R_low)(p − s) is above 1/(2β) it would reward a high answer for being worse. With scores held to ±0.8, as \`rewardNormalization\` does by default, the gap is
at most 1.6 but for KL, and with groups of half each p − s at most ½: β = 0.5 stays below, which is why it is the default.

## What to watch

| metric | |
|---|---|
| \`group/variance\` | Var_g(R_g) |
| \`group/explained\` | its share of the variance of returns, on answers that the classifier has not seen |
| \`group/high_share\` | share of the high group |
| \`group/high_return\`, \`group/low_return\` | the groups' mean returns |
| \`group/high_kl\`, \`group/low_kl\` | nats of KL an answer in each |

Guards may watch them. \`group/explained\` near 0 means that the classifier finds nothing in the features; the trick then changes nothing but the KL penalty.

## On the sample task

PPO sees English prompts alone ([pipelines/group-invariance.json](../pipelines/group-invariance.json)), with models that were fine-tuned on both languages and a reward model that
was trained on both; held-out Chinese prompts are out of distribution. The gold score knows the right answers; training never sees it. All policies start from the same SFT model.
\`npm run study -- --folder pipelines --only group-invariance --file group-invariance.json\` runs it, and \`npm run schema\` writes this page.

{results}
`;
