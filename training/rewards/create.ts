import type { RememberedReplies } from "../../foundation/http/remembered-replies.js";
import { lazily } from "../../foundation/lazily.js";
import type { Tokenizer } from "../../models/tokenizer.js";
import { combinedOf, termInput, termName, termsOf, type RewardSpec, type RewardTerm, type TextReward } from "../../schemas/reward.js";
import { mean } from "../experience.js";
import { loadFrozen, requireInput } from "../models.js";
import type { StagePrompts } from "../prompts.js";
import type { Metrics, TrainerSetup } from "../trainer.js";
import { combined } from "./combine.js";
import { endpointScorer } from "./endpoint.js";
import { judgeScorer } from "./judge.js";
import { startModule } from "./module.js";
import { normalizationFor, type Normalization } from "./normalization.js";
import { Received } from "./received.js";
import { ReplyCount, sumOf, unreadableShare } from "./replies.js";
import { modelScores } from "./reward-model.js";
import type { Reward, RewardState, SampledBatch, TextScorer, WrittenAnswer } from "./reward.js";

type Setup = TrainerSetup<{ readonly reward: RewardSpec }>;

/** What a reward needs of its stage. */
export interface RewardPlace {
  readonly prompts: Pick<StagePrompts, "rows">;
  readonly tokenizer: Tokenizer;
  /** Answers of the policy as it is before its first step; every round the same, whenever they are drawn. */
  readonly draw: (round: number) => Promise<SampledBatch>;
  /** Of the checkpoint that the stage continues from. */
  readonly before?: RewardState;
}

/** A batch with its answers as text, written out where somebody reads them. */
interface ReadableBatch extends SampledBatch {
  readonly written: () => readonly WrittenAnswer[];
}

/** What scores a batch by itself: normalised, rows. */
interface Term {
  readonly input: string;
  readonly score: (batch: ReadableBatch) => Promise<Float64Array>;
  readonly received?: Received;
  /** Of a judge. */
  readonly replies?: ReplyCount;
  /** As it was measured. */
  readonly normalization?: Normalization;
}

/**
 * The reward that a stage names. Reward models are loaded and normalised as their artifacts say, modules started, servers' settings checked; of
 * several terms an answer's scores are combined, and each term's mean is a metric.
 */
export async function createReward(setup: Setup, place: RewardPlace): Promise<Reward> {
  const { parameters: { reward } } = setup;
  const combination = combinedOf(reward);
  const specs = termsOf(reward);
  const terms: Term[] = [];
  for (const [index, spec] of specs.entries()) terms.push(await createTerm(setup, place, spec, combination === undefined ? "reward" : termInput(index)));
  const [only] = terms;
  const names = specs.map(termName);
  return {
    async score(batch) {
      const readable = readableBatch(batch, place);
      if (combination === undefined) return { scores: await only!.score(readable), metrics: shareUnread(terms) };
      const scores: Float64Array[] = [];
      for (const term of terms) scores.push(await term.score(readable));
      const weights = specs.map((spec) => (typeof spec === "object" ? spec.weight : undefined) ?? 1);
      return {
        scores: Float64Array.from(batch.answers, (_, row) => combined(combination, scores.map((each) => each[row]!), weights)),
        metrics: { ...Object.fromEntries(names.map((name, index) => [`objective/scores/${name}`, mean(scores[index]!)])), ...shareUnread(terms, names) },
      };
    },
    state: () => stateOf(terms),
  };
}

/** The share of judges' replies to an iteration that could not be read; with `names` of each judge, too. */
function shareUnread(terms: readonly Term[], names: readonly string[] = []): Metrics {
  const replies = terms.map((term) => term.replies?.take());
  const ofEach = names.flatMap((name, index) => Object.entries(unreadableShare(`objective/unreadable/${name}`, replies[index])));
  return { ...unreadableShare("objective/unreadable", sumOf(replies)), ...Object.fromEntries(ofEach) };
}

async function createTerm(setup: Setup, place: RewardPlace, spec: RewardTerm, input: string): Promise<Term> {
  if (typeof spec === "string" || "from" in spec) {
    const from = requireInput(setup, input);
    await loadFrozen(setup, { model: input, head: "score", from });
    const score = modelScores(setup.backend, input, from.metadata.scoreNormalization ?? { mean: 0, std: 1 });
    return { input, score };
  }
  const received = "module" in spec ? undefined : new Received(place.before?.received?.[input]);
  const replies = "judge" in spec ? new ReplyCount() : undefined;
  const raw = await textScorer(setup, spec, input, { replies });
  const score = received?.over(raw) ?? raw;
  const isMeasured = spec.normalize !== undefined && "answers" in spec.normalize;
  if (isMeasured) setup.phase("scoring answers of the policy as it starts");
  const normalization = await normalizationFor(spec, place.before?.normalization?.[input], async (round) => score(readableBatch(await place.draw(round), place).written()));
  replies?.take();
  return {
    input, ...(received && { received }), ...(replies && { replies }), ...(isMeasured && { normalization }),
    score: async (batch) => Float64Array.from(await score(batch.written()), (each) => (each - normalization.mean) / normalization.std),
  };
}

/**
 * Starts what scores text. `input` is what the plan calls the file of a module, `replies` counts those of a judge; servers are asked nothing
 * that is remembered.
 */
export async function textScorer(
  setup: Parameters<typeof startModule>[0] & Pick<Setup, "signal">, spec: TextReward, input: string,
  { remembered, replies }: { readonly remembered?: RememberedReplies; readonly replies?: ReplyCount | undefined },
): Promise<TextScorer> {
  if ("module" in spec) return startModule(setup, spec, input);
  const surroundings = { ...(setup.signal && { signal: setup.signal }), ...(remembered && { remembered }) };
  return "judge" in spec ? judgeScorer(spec, surroundings, replies?.heard) : endpointScorer(spec, surroundings);
}

function readableBatch(batch: SampledBatch, { prompts: { rows }, tokenizer }: RewardPlace): ReadableBatch {
  const { prompts: drawn, answers, finished } = batch;
  return {
    ...batch,
    written: lazily(() => answers.map((answer, row) => {
      const { messages, tags } = rows.at(drawn[row]!)!;
      return { prompt: messages, answer: tokenizer.decode(answer, { skipSpecial: true }), finished: finished[row]!, tokens: answer.length, tags };
    })),
  };
}

function stateOf(terms: readonly Term[]): RewardState | undefined {
  const received = terms.flatMap((term) => (term.received === undefined ? [] : [[term.input, term.received.state()] as const]));
  const normalization = terms.flatMap((term) => (term.normalization === undefined ? [] : [[term.input, term.normalization] as const]));
  if (received.length === 0 && normalization.length === 0) return undefined;
  return {
    ...(received.length > 0 && { received: Object.fromEntries(received) }),
    ...(normalization.length > 0 && { normalization: Object.fromEntries(normalization) }),
  };
}
