import { z } from "zod";
import { readJson } from "./read-json.js";

const oracles = z.strictObject({
  versions: z.record(z.string(), z.string()), seeds: z.number(), models: z.number(),
  comparisons: z.array(z.strictObject({
    what: z.string(), ours: z.string(), theirs: z.string(), difference: z.number(), tolerance: z.number().optional(), note: z.string().optional(),
  })),
});

/** docs/oracles.md: its words, with the table that `npm run peers -- --write-oracles` has measured. */
export function oraclesDocument(): string {
  return words.replace("{table}", differencesTable(readJson("docs/oracles.json", oracles)));
}

/** The largest differences, a line each. */
export function differencesTable({ versions, seeds, models, comparisons }: z.input<typeof oracles>): string {
  const digits = (value: number): string => (value === 0 ? "0" : value.toExponential(0));
  return [
    `TRL ${versions["trl"]}, transformers ${versions["transformers"]}, torch ${versions["torch"]}; ${seeds} seeds of tensors, ${models} of models.`, "",
    "| what | Trueline | TRL or transformers | largest difference | allowed | |", "|---|---|---|---|---|---|",
    ...comparisons.map(({ what, ours, theirs, difference, tolerance, note = "" }) =>
      `| ${what} | ${ours} | ${theirs} | ${digits(difference)} | ${tolerance === undefined ? "counts otherwise" : digits(tolerance)} | ${note} |`),
  ].join("\n");
}

const words = `# Formulas beside TRL's

\`npm run peers -- test/peers/trl.test.ts\` makes \`.venv\` from \`test/peers/requirements.txt\`, calls the functions of TRL's own package and of \`transformers\` on
random numbers, gives Trueline the same numbers, and prints this table. \`npm run peers -- --write-oracles\` writes it here too; \`npm run schema\` writes this page.
\`npm test\` compares with what TRL gave for four of the seeds (\`test/training/fixtures/trl.json\`), without Python.

- **Tensors**: six rows of 1 to 12 tokens; other coefficients, γ, λ and clips from seed to seed. Inputs are float32, both sides compute in doubles; Trueline hands
  weights and advantages to a backend as float32, which is the difference that is left.
- **Models**: Llama of two layers with random weights, four rows of 3 to 18 tokens; the loss that a backend's \`step\` gives, and the norm of its gradient over all parameters.
- TRL's methods are called on trainers without a model: in 0.11.4 \`PPOTrainer\` has its losses as methods, \`PPOv2Trainer\` inside of its loop, where nothing can call them.
- **RLOO, GRPO, DPO**: twelve answers of 1 to 9 tokens, to three prompts or as six pairs. RLOO's lines stand in the middle of \`RLOOTrainer.train\`, and the module of \`DPOTrainer\` imports what not every
  \`transformers\` has: both are taken out of the package's source and run as they are. TRL 0.11.4 has no GRPO: it is compared with its paper's formula, written in PyTorch.
- TRL takes the KL penalty, the loss and the entropy at temperature 1; so do these comparisons. Trueline applies the sampling temperature to all of them.
- GAE is also compared with its other form, the mixture of n-step estimates, and on the first minibatch of a \`ppo\` stage the ratio is 1 to 10⁻⁵; both are tests of \`npm test\`.

{table}
`;
