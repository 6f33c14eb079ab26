import type { InputArtifact, TrainerSetup } from "../../training/trainer.js";
import { stageKinds, type StageParameters } from "../../schemas/stages/table.js";
import type { PromptRow } from "../../data/types.js";

/** What an evaluation that asks servers is made of, in a form that another process can be given. */
export interface ChatEvaluation {
  readonly candidate: string;
  readonly baseline: string;
  readonly prompts: readonly { readonly text: string; readonly tags: Readonly<Record<string, string>> }[];
  readonly parameters: Readonly<Record<string, unknown>>;
}

const model = (directory: string): InputArtifact => ({ type: "language-model", directory, metadata: { figures: {} } });
const row = ({ text, tags }: ChatEvaluation["prompts"][number]): PromptRow => ({ messages: [{ role: "user", content: text }], tags, source: { file: "p", line: 1 } });

/** The setup of an evaluation in the text of a ChatEvaluation, without a backend. */
export function parseEvaluation(text: string): Omit<TrainerSetup<StageParameters<"evaluate">>, "backend" | "phase"> {
  const { candidate, baseline, prompts, parameters } = JSON.parse(text) as ChatEvaluation;
  const nothing = { train: [], heldOut: [] };
  return {
    seed: 3, artifacts: { candidate: model(candidate), baseline: model(baseline) },
    data: { prompts: { text: nothing, dialogues: nothing, pairs: nothing, questions: nothing, prompts: { train: [], heldOut: prompts.map(row) }, counts: {} } },
    parameters: stageKinds.evaluate.parameters.parse({
      kind: "evaluate", candidate: "ppo", baseline: "sft", prompts: "p", batch: 4, maxNewTokens: 6, baselineSamples: 1, temperature: 1, ...parameters,
    }),
  };
}
