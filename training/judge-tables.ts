import { randomAt } from "../foundation/random.js";
import { outcomes, type AnsweredPrompt, type Interval, type Judges, type Outcome, type Saying, type VerdictGroup } from "../schemas/report.js";
import { groupingTags, MAX_VALUES_OF_A_TAG } from "./evaluation.js";
import { mean } from "./experience.js";
import { percentiles, RESAMPLES, sharesInterval } from "./intervals.js";

/** What one judge says: of each prompt, the outcomes of its comparisons. */
export interface JudgeVerdicts {
  readonly judge: string;
  readonly verdicts: readonly (readonly Outcome[])[];
  /** Of a judge that was asked twice about each comparison, what it said of both orders, by prompt; else empty or absent. */
  readonly orders?: readonly (readonly (readonly [Saying, Saying])[])[];
}

type Tags = Readonly<Record<string, string>>;

/** Tables of every judge's rates, and the agreement of each pair of judges. Pure. */
export function compareJudges(prompts: readonly Pick<AnsweredPrompt, "tags">[], judges: readonly JudgeVerdicts[], seed: number): Judges {
  const parts = partsOf(prompts);
  return {
    intervals: "95 % intervals: rates and raw agreement by Wilson's score over prompts, with as many observations as the spread between prompts allows, "
      + `so that answers to one prompt do not count as several and prompts that all agree still leave a doubt; kappa by the bootstrap over prompts (${RESAMPLES} resamples, seeded).`,
    tables: judges.map(({ judge, verdicts, orders = [] }) => ({
      judge, groups: parts.map((tags) => verdictGroup(tags, verdicts.filter((_, index) => hasTags(prompts[index]!.tags, tags)))),
      ...(orders.length > 0 && { orders: ordersOf(orders) }),
    })),
    agreement: judges.flatMap((first, index) => judges.slice(index + 1).map((second) => agreementOf(first, second, seed))),
  };
}

/**
 * All prompts, those with each value of each tag that makes a few groups, and those with each combination of such tags that
 * occurs, as long as these are few too.
 */
export function partsOf(prompts: readonly { readonly tags: Tags }[]): Tags[] {
  const grouping = groupingTags(prompts);
  const single = grouping.flatMap(([tag, values]) => values.map((value) => ({ [tag]: value })));
  const all = prompts.flatMap(({ tags }) => (grouping.every(([tag]) => tags[tag] !== undefined) ? [Object.fromEntries(grouping.map(([tag]) => [tag, tags[tag]!]))] : []));
  const combined = [...new Map(all.map((tags) => [Object.values(tags).join("\0"), tags] as const))].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, tags]) => tags);
  return [{}, ...single, ...(grouping.length > 1 && combined.length <= MAX_VALUES_OF_A_TAG ? combined : [])];
}

export function hasTags(tags: Tags, wanted: Tags): boolean {
  return Object.entries(wanted).every(([tag, value]) => tags[tag] === value);
}

/** Rates over prompts, each prompt counting once however many comparisons it has. */
export function verdictGroup(tags: Tags, verdicts: readonly (readonly Outcome[])[]): VerdictGroup {
  const most = Math.max(...verdicts.map(({ length }) => length));
  const shares = (worth: Readonly<Record<Outcome, number>>) => sharesInterval(verdicts.map((some) => mean(some.map((outcome) => worth[outcome]))), most);
  // A tie is half a win: twice the share less one is the difference of win and lose rate.
  const better = shares({ win: 1, tie: 0.5, lose: 0 });
  const net = (share: number) => 2 * share - 1;
  return {
    tags: { ...tags }, prompts: verdicts.length,
    win: shares({ win: 1, tie: 0, lose: 0 }), tie: shares({ win: 0, tie: 1, lose: 0 }), lose: shares({ win: 0, tie: 0, lose: 1 }),
    net: { value: net(better.value), low: net(better.low), high: net(better.high) },
  };
}

function ordersOf(prompts: NonNullable<JudgeVerdicts["orders"]>): NonNullable<Judges["tables"][number]["orders"]> {
  const questions = prompts.flat(2);
  return {
    same: sharesInterval(prompts.map((orders) => mean(orders.map(([first, second]) => (first === second ? 1 : 0)))), Math.max(...prompts.map(({ length }) => length))),
    unread: questions.filter((saying) => saying === "unread").length, questions: questions.length,
  };
}

/** Raw agreement and Cohen's kappa of two judges on the comparisons that both have judged. */
export function agreementOf(first: JudgeVerdicts, second: JudgeVerdicts, seed: number): Judges["agreement"][number] {
  const both = first.verdicts.map((some, prompt) => some.flatMap((outcome, index) => {
    const other = second.verdicts[prompt]?.[index];
    return other === undefined ? [] : [[outcome, other] as const];
  })).filter(({ length }) => length > 0);
  const kappa = kappaInterval(both, seed);
  return {
    judges: [first.judge, second.judge],
    comparisons: both.reduce((sum, { length }) => sum + length, 0),
    raw: sharesInterval(both.map((pairs) => mean(pairs.map(([a, b]) => (a === b ? 1 : 0)))), Math.max(1, ...both.map(({ length }) => length))),
    ...(kappa && { kappa }),
  };
}

/** Every judge's rates over all prompts, under stable names. */
export function figuresOfJudges(judges: Judges | undefined): Record<string, number> {
  return Object.fromEntries((judges?.tables ?? []).flatMap(({ judge, groups: [all] }) =>
    (["win", "tie", "lose"] as const).map((rate) => [`judge/${judge}/${rate}_rate`, all![rate].value])));
}

type Pairs = readonly (readonly [Outcome, Outcome])[];

/**
 * (observed − expected) / (1 − expected) agreement; undefined where chance alone would agree on everything.
 * Source: Cohen, "A coefficient of agreement for nominal scales" (1960).
 */
export function cohensKappa(pairs: Pairs): number | undefined {
  const count = (holds: (pair: Pairs[number]) => boolean) => pairs.filter(holds).length;
  // In whole numbers, which have no rounding: times the square of the number of pairs.
  const observed = pairs.length * count(([a, b]) => a === b);
  const expected = outcomes.options.reduce((sum, outcome) => sum + count(([a]) => a === outcome) * count(([, b]) => b === outcome), 0);
  return expected === pairs.length ** 2 ? undefined : (observed - expected) / (pairs.length ** 2 - expected);
}

/** Prompts are drawn with replacement; draws on which kappa is not defined are left out. */
function kappaInterval(prompts: readonly Pairs[], seed: number): Interval | undefined {
  const value = cohensKappa(prompts.flat());
  if (value === undefined) return undefined;
  const random = randomAt(seed, "kappa");
  const draws = Array.from({ length: RESAMPLES }, () => cohensKappa(prompts.flatMap(() => prompts[random.integer(prompts.length)]!)));
  return { value, ...percentiles(draws.filter((draw) => draw !== undefined)) };
}
