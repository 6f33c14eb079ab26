import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { PromptRow } from "../data/types.js";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { RememberedReplies } from "../foundation/http/remembered-replies.js";
import { Tokenizer } from "../models/tokenizer.js";
import { ANSWERS_FILE, answeredPromptSchema, repliesSchema, REPORT_FILE, reportSchema, type Answer, type AnsweredPrompt, type Report } from "../schemas/report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { loadAnswerScores, type AnswerScores, type LoadedScorer } from "./answer-scores.js";
import { sampleAnswers, type SampledAnswer } from "./answering.js";
import { modelBaseline, writtenBaseline, type Baseline } from "./baseline.js";
import { chunks, nothingToTrainOn } from "./batches.js";
import { chatBaseline } from "./chat-baseline.js";
import type { Asking } from "./chat-judge.js";
import { figuresOf, summarize, type Judging } from "./evaluation.js";
import { buildReport, spreadSample } from "./evaluation-report.js";
import { figuresOfJudges } from "./judge-tables.js";
import { judged, judgesOf } from "./judges.js";
import { loadFrozen, readCheckpointState, requireData, requireInput, saveCheckpoint } from "./models.js";
import { accuracyOf, pairFitting, scoreDifferences } from "./pairs.js";
import { fitPrompts } from "./prompts.js";
import { sumOf, unreadableShare } from "./rewards/replies.js";
import { fitOptions, fitRows } from "./row-limits.js";
import { dataCounts } from "./supervised.js";
import type { InputArtifact, Trainer, TrainerSetup } from "./trainer.js";

const stateSchema = z.strictObject({ answered: z.array(answeredPromptSchema), differences: z.array(z.number()), replies: repliesSchema.optional() });

/**
 * Answers held-out prompts with candidate and baseline and lets the judges compare: those that the stage lists, or one, the gold
 * scorer where it is named, else the reward model. The first steps are batches of prompts, the last ones batches of held-out pairs that measure
 * the reward model. Source: P §4.3, §5.2, §6.
 */
export async function createEvaluate(setup: TrainerSetup<StageParameters<"evaluate">>): Promise<Trainer> {
  const { backend, parameters, seed, resume } = setup;
  const { batch, maxPrompts } = parameters;
  const asking: Asking = { remembered: await RememberedReplies.open(setup.replies), seed, ...(setup.signal && { signal: setup.signal }) };
  const judges = judgesOf(parameters, asking);
  const judging: Judging = { judge: judges[0]?.name ?? judgeOf(parameters), tieMargin: parameters.tieMargin, seed };

  const candidateInput = requireInput(setup, "candidate");
  const candidate = { model: "candidate", tokenizer: await Tokenizer.load(candidateInput.directory) };
  const { context } = await loadFrozen(setup, { model: candidate.model, head: "language", from: candidateInput });

  const prompts = setup.data["prompts"];
  const fitted = await fitPrompts(requireData(setup, "prompts").prompts.heldOut, parameters, candidate.tokenizer, context, fitOptions(setup, "prompts"));
  const baseline = await baselineOf(setup, candidateInput, candidate.tokenizer, asking);
  const scores = await loadAnswerScores(setup, candidateInput, asking.remembered);
  const { reward } = scores;
  if (judges.length === 0 && judging.judge === "reward-model" && reward === undefined) {
    throw new TruelineError("TL_SPEC_CONFLICT", "The evaluation has no judge.", { hint: "Name a gold scorer in `gold` or a reward model in `reward`." });
  }

  const promptBatches = chunks(spreadSample([...fitted.rows].filter((row) => baseline.knows(row)), maxPrompts, seed), batch);
  if (promptBatches.length === 0) throw nothingToTrainOn();
  const pairs = reward === undefined ? [] : await heldOutPairs(setup, reward);
  const pairBatches = Math.ceil(pairs.length / batch);
  const state = resume && await readCheckpointState(resume.directory, stateSchema);
  const { answered, differences } = state ?? { answered: [], differences: [] };
  let replies = state?.replies;

  return {
    steps: promptBatches.length + pairBatches,
    headline: ["eval/win_rate", "eval/lose_rate", "eval/gold", "eval/proxy", "rm/accuracy"],
    async step(index) {
      const rows = promptBatches[index];
      if (rows !== undefined) {
        const sampled = await sampleAnswers(backend, candidate, rows, parameters, seed, ["candidate", index]);
        answered.push(...await judged(await bothAnswers(sampled, rows, index, baseline, scores), judges));
        replies = sumOf([replies, scores.replies()]);
        return { ...figuresOf(summarize(answered, judging)), ...unreadableShare("eval/unreadable", replies) };
      }
      const first = (index - promptBatches.length) * batch;
      const some = Array.from({ length: Math.min(batch, pairs.length - first) }, (_, pair) => pairs.at(first + pair)!);
      differences.push(...await scoreDifferences(backend, reward!.model, some, batch));
      return { "rm/accuracy": accuracyOf(differences) };
    },
    checkpoint: (directory) => saveCheckpoint(backend, directory, [], { answered, differences, ...(replies && { replies }) }),
    async finish(directory) {
      // Canonical, because answers that came through a checkpoint may have their members in another order.
      const report = buildReport(answered, differences, judging, {
        ...parameters, baselineIs: baseline.kind, ...(judges.length > 0 && { judgeNames: judges.map(({ name }) => name) }), ...(replies && { rewardReplies: replies }),
      });
      await writeFile(join(directory, REPORT_FILE), `${canonicalJson(reportSchema.parse(report))}\n`, { flush: true });
      await writeFile(join(directory, ANSWERS_FILE), answered.map((row) => `${canonicalJson(row)}\n`).join(""), { flush: true });
      return { figures: figuresOfReport(report), data: dataCounts(prompts!, fitted.counts) };
    },
  };
}

/** Some prompts with the candidate's answers and the baseline's, scored. */
async function bothAnswers(sampled: readonly SampledAnswer[], rows: readonly PromptRow[], index: number, baseline: Baseline, scores: AnswerScores): Promise<AnsweredPrompt[]> {
  const underBaseline = await baseline.logProbabilities(sampled);
  const candidates = await scores.score(sampled, true);
  const baselines: Answer[][] = rows.map(() => []);
  for (const round of await baseline.answer(rows, index)) {
    const answers = await scores.score(round, baseline.sharesTokenizer);
    round.forEach(({ prompt }, at) => baselines[rows.indexOf(prompt)]!.push(answers[at]!));
  }
  return rows.map(({ messages, tags }, row) => ({
    prompt: [...messages], tags: { ...tags }, baseline: baselines[row]!,
    candidate: { ...candidates[row]!, ...(underBaseline && { baselineLogProbability: underBaseline[row]! }) },
  }));
}

function figuresOfReport({ overall, judges, rewardReplies, rewardModel }: Report): Record<string, number> {
  return {
    ...figuresOf(overall), ...figuresOfJudges(judges), ...unreadableShare("eval/unreadable", rewardReplies), ...(rewardModel && { "rm/accuracy": rewardModel.accuracy.value }),
  };
}

/** Who judges where the stage lists no judges. */
function judgeOf({ gold, reward }: StageParameters<"evaluate">): string {
  if (gold !== undefined) return "gold";
  return typeof reward === "object" ? "reward" : "reward-model";
}

async function baselineOf(setup: TrainerSetup<StageParameters<"evaluate">>, candidate: InputArtifact, tokenizer: Tokenizer, asking: Asking): Promise<Baseline> {
  const { parameters } = setup;
  const { baseline } = parameters;
  if (typeof baseline === "string") return modelBaseline(setup, requireInput(setup, "baseline"), candidate);
  return "chat" in baseline ? chatBaseline(baseline, parameters, tokenizer, asking) : writtenBaseline(baseline.answers, tokenizer, parameters.baselineSamples);
}

async function heldOutPairs(
  setup: TrainerSetup<StageParameters<"evaluate">>, reward: LoadedScorer,
) {
  const { data, parameters } = setup;
  const pairs = data["pairs"]?.pairs.heldOut ?? [];
  return (await fitRows(pairs, { ...parameters, maxTooLongShare: 1 }, reward.context, pairFitting(reward.tokenizer), fitOptions(setup, "pairs"))).rows;
}
