import type { AnsweredPrompt, Outcome } from "../schemas/report.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { outcomeOf } from "./evaluation.js";

/** Compares the candidate's answers with the baseline's. */
export interface Judge {
  /** As in the report. */
  readonly name: string;
  /** Of each prompt, the candidate's outcome against each of the baseline's answers. */
  verdicts(answered: readonly AnsweredPrompt[]): Promise<Outcome[][]>;
}

/** The judges that an evaluation names; none where it leaves all to its one judge. */
export function judgesOf({ judges = [], tieMargin }: StageParameters<"evaluate">): Judge[] {
  return judges.map((judge) => ({
    name: judge,
    verdicts: async (answered) => answered.map(({ candidate, baseline }) => baseline.map((answer) => outcomeOf(candidate, answer, { judge, tieMargin }))),
  }));
}

/** The prompts with what every judge says of them; as they are where there is none. */
export async function judged(answered: readonly AnsweredPrompt[], judges: readonly Judge[]): Promise<AnsweredPrompt[]> {
  if (judges.length === 0) return [...answered];
  const byJudge = new Map<string, Outcome[][]>();
  for (const judge of judges) byJudge.set(judge.name, await judge.verdicts(answered));
  return answered.map((prompt, index) => ({
    ...prompt, verdicts: Object.fromEntries([...byJudge].map(([name, verdicts]) => [name, verdicts[index]!])),
  }));
}
