import type { AnsweredPrompt, Outcome } from "../schemas/report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { chatComparisons, outcomeOfOrders, type Asking } from "./chat-judge.js";
import { outcomeOf } from "./evaluation.js";

/** What a judge says of prompts. */
interface Sayings {
  /** Of each prompt, the candidate's outcome against each of the baseline's answers. */
  readonly verdicts: readonly Outcome[][];
  /** Of a judge that is asked in words: what it said of both orders. */
  readonly orders?: readonly NonNullable<AnsweredPrompt["asked"]>[string][];
}

/** Compares the candidate's answers with the baseline's. */
export interface Judge {
  /** As in the report. */
  readonly name: string;
  judge(answered: readonly AnsweredPrompt[]): Promise<Sayings>;
}

/** The judges that an evaluation names; none where it leaves all to its one judge. Errors: TL_ENDPOINT_SECRET. */
export function judgesOf({ judges = [], tieMargin }: StageParameters<"evaluate">, asking: Asking): Judge[] {
  return judges.map((judge): Judge => {
    if (typeof judge === "string") {
      return {
        name: judge,
        judge: async (answered) => ({ verdicts: answered.map(({ candidate, baseline }) => baseline.map((answer) => outcomeOf(candidate, answer, { judge, tieMargin }))) }),
      };
    }
    const compare = chatComparisons(judge, asking);
    return {
      name: judge.name,
      async judge(answered) {
        const orders = await compare(answered);
        return { verdicts: orders.map((some) => some.map(outcomeOfOrders)), orders: orders.map((some) => some.map(([first, second]) => [first, second])) };
      },
    };
  });
}

/** The prompts with what every judge says of them; as they are where there is none. */
export async function judged(answered: readonly AnsweredPrompt[], judges: readonly Judge[]): Promise<AnsweredPrompt[]> {
  if (judges.length === 0) return [...answered];
  const said: [name: string, Sayings][] = [];
  for (const { name, judge } of judges) said.push([name, await judge(answered)]);
  return answered.map((prompt, index) => {
    const asked = said.flatMap(([name, { orders }]) => (orders === undefined ? [] : [[name, orders[index]!] as const]));
    return {
      ...prompt, verdicts: Object.fromEntries(said.map(([name, { verdicts }]) => [name, verdicts[index]!])),
      ...(asked.length > 0 && { asked: Object.fromEntries(asked) }),
    };
  });
}
