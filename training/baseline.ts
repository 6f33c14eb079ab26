import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PromptRow } from "../data/types.js";
import { Tokenizer } from "../models/tokenizer.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { answerLogProbabilities, sampleAnswers, type SampledAnswer } from "./answering.js";
import { loadFrozen } from "./models.js";
import type { InputArtifact, TrainerSetup } from "./trainer.js";
import { writtenAnswers } from "./written-answers.js";

/** What the candidate is compared with. */
export interface Baseline {
  readonly kind: "model" | "answers" | "chat";
  readonly sharesTokenizer: boolean;
  /** Whether it can answer the prompt. */
  knows(prompt: PromptRow): boolean;
  /** Rounds of answers, at most one to a prompt in each; a prompt that is known is in the first. */
  answer(prompts: readonly PromptRow[], index: number): Promise<SampledAnswer[][]>;
  /** Of the candidate's answers under the baseline; undefined where they can't be had. */
  logProbabilities(answers: readonly SampledAnswer[]): Promise<number[] | undefined>;
}

/** A language model that answers with the evaluation's sampling, `baselineSamples` times a prompt. */
export async function modelBaseline(
  setup: TrainerSetup<StageParameters<"evaluate">>, from: InputArtifact, candidate: InputArtifact,
): Promise<Baseline> {
  const { backend, parameters, seed } = setup;
  const baseline = { model: "baseline", tokenizer: await Tokenizer.load(from.directory) };
  await loadFrozen(setup, { model: baseline.model, head: "language", from });
  const sharesTokenizer = await sameTokenizer(from, candidate);
  return {
    kind: "model", sharesTokenizer,
    knows: () => true,
    async answer(prompts, index) {
      const rounds: SampledAnswer[][] = [];
      for (let round = 0; round < parameters.baselineSamples; round++) {
        rounds.push(await sampleAnswers(backend, baseline, prompts, parameters, seed, ["baseline", index, round]));
      }
      return rounds;
    },
    logProbabilities: async (answers) => (sharesTokenizer
      ? answerLogProbabilities(backend, baseline.model, answers, parameters.temperature > 0 ? parameters.temperature : 1) : undefined),
  };
}

/** Answers that are in a file; at most `samples` a prompt count. */
export async function writtenBaseline(path: string, tokenizer: Tokenizer, samples: number): Promise<Baseline> {
  const answersTo = await writtenAnswers(path, tokenizer);
  return {
    kind: "answers", sharesTokenizer: true,
    knows: (prompt) => answersTo(prompt).length > 0,
    async answer(prompts) {
      const found = prompts.map((prompt) => answersTo(prompt).slice(0, samples));
      const rounds = Math.max(...found.map((answers) => answers.length));
      return Array.from({ length: rounds }, (_, round) => found.flatMap((answers) => answers[round] ?? []));
    },
    logProbabilities: async () => undefined,
  };
}

/** Whether two models read the same tokens. */
export async function sameTokenizer(a: InputArtifact, b: InputArtifact): Promise<boolean> {
  const [first, second] = await Promise.all([a, b].map(({ directory }) => readFile(join(directory, "tokenizer.json"))));
  return first!.equals(second!);
}
