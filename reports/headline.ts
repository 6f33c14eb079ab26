import type { Report, ReportGroup } from "../schemas/report.js";
import { html, type Html } from "./html.js";
import { figure, percent, percentRange } from "./numbers.js";

const scoreJudges: ReadonlyMap<string, string> = new Map([
  ["gold", "the gold score"], ["reward-model", "the reward model"], ["reward", "the reward"], ["held-out-reward-model", "the held-out reward model"],
]);

/** A judge in words; one that a spec or a person has named keeps its name. */
export function judgeName(judge: string): string {
  return scoreJudges.get(judge) ?? judge;
}

export interface Names {
  readonly candidate: string;
  readonly baseline: string;
}

/** What the report says, in one sentence with its interval. */
export function headline({ overall, judge }: Report, { candidate, baseline }: Names): Html {
  const { win, tie, lose } = overall;
  return html`Judged by ${judgeName(judge)}, <b>${candidate}</b> ${verdict(overall)} <b>${baseline}</b>: it wins
<b>${percent(win.value)}</b> of comparisons (95 % interval ${percentRange(win)}), ties ${percent(tie)} and loses ${percent(lose)}.`;
}

function verdict({ net }: ReportGroup): string {
  if (net.low > 0) return "is better than";
  return net.high < 0 ? "is worse than" : "cannot be told apart from";
}

/** Gold first, the proxy beside it: the two may part. */
export function scoresSentence({ judge, overall: { candidate, baseline } }: Report): Html {
  const compared = (name: string, key: "gold" | "proxy") => {
    const [ours, theirs] = [candidate[key], baseline[key]];
    return ours === undefined || theirs === undefined ? [] : [html`${name} ${figure(ours)} against ${figure(theirs)}`];
  };
  const parts = [...compared("gold score", "gold"), ...compared(judge === "reward" ? "reward" : "reward model's score", "proxy")];
  return html`${parts.map((part, index) => html`${index > 0 ? "; " : undefined}${part}`)}.`;
}

/** Share of unreadable replies that makes a judge's scores doubtful. */
const mostUnreadable = 0.1;

/** Signs that the policy learnt to please the reward model and nothing else. Source: P §5.2. */
export function warnings({ overall, judge, rewardModel, rewardReplies }: Report): string[] {
  const { candidate, baseline } = overall;
  const found: string[] = [];
  if (candidate.gold !== undefined && baseline.gold !== undefined && candidate.proxy !== undefined && baseline.proxy !== undefined
    && candidate.proxy > baseline.proxy && candidate.gold < baseline.gold) {
    found.push("The reward model's score rose while the gold score fell: the reward model is being exploited.");
  }
  if (candidate.unfinished > 0.2 && candidate.unfinished > 2 * baseline.unfinished) {
    found.push(`${percent(candidate.unfinished)} of the candidate's answers have no end (baseline ${percent(baseline.unfinished)}).`);
  }
  if (rewardReplies && rewardReplies.unreadable > mostUnreadable * rewardReplies.heard) {
    found.push(`${rewardReplies.unreadable} of ${rewardReplies.heard} replies of the reward's judge held no number of its scale.`);
  }
  if (judge === "reward-model") found.push("The judge is the reward model that training may have used: a win says what training aimed at, not that answers are better.");
  if (rewardModel && rewardModel.accuracy.low <= 0.5) found.push("On held-out pairs the reward model is not clearly better than chance.");
  return found;
}
