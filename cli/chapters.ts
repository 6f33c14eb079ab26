import type { LedgerEntry } from "../schemas/events.js";
import { duration, moment, size } from "./output.js";
import { story } from "./story.js";

/** One attempt at a run, as people read it. */
export interface Chapter {
  readonly title: string;
  readonly lines: readonly string[];
}

/** What happens to a run from outside, long after it has ended too. */
const afterwards: ReadonlySet<LedgerEntry["event"]["type"]> = new Set(["pinned", "unpinned", "artifact-removed", "votes-imported"]);

/**
 * A run's ledger by attempts; with `stage` only that stage's lines. Of checkpoints that follow one another in a stage only the last has a line, which counts
 * them; `all` gives each its own.
 */
export function chapters(entries: readonly LedgerEntry[], { all = false, stage }: { readonly all?: boolean; readonly stage?: string } = {}): Chapter[] {
  const groups: LedgerEntry[][] = [];
  for (const entry of entries) {
    const begins = entry.event.type === "run-submitted" || entry.event.type === "run-resumed";
    if (begins || groups.length === 0) groups.push([entry]);
    else groups.at(-1)!.push(entry);
  }
  return groups.flatMap((group) => {
    const told = stage === undefined ? group : group.filter(({ event }) => "stage" in event && event.stage === stage);
    return told.length === 0 ? [] : [{ title: title(group), lines: all ? told.map(line) : folded(told) }];
  });
}

function title(entries: readonly LedgerEntry[]): string {
  const first = entries[0]!;
  const last = entries.findLast(({ event }) => !afterwards.has(event.type)) ?? first;
  const attempt = first.event.type === "run-resumed" ? first.event.attempt : 1;
  const seconds = (Date.parse(last.at) - Date.parse(first.at)) / 1000;
  return `Attempt ${attempt}, ${moment(first.at).slice(0, 10)}${entries.length > 1 ? `, ${duration(seconds)}` : ""}`;
}

function folded(entries: readonly LedgerEntry[]): string[] {
  const counts = new Map<string, number>();
  return entries.flatMap((entry, index) => {
    const { event } = entry;
    if (event.type !== "checkpoint-saved") return [line(entry)];
    const count = (counts.get(event.stage) ?? 0) + 1;
    const next = entries.slice(index + 1).find((each) => "stage" in each.event && each.event.stage === event.stage);
    const isLast = next?.event.type !== "checkpoint-saved";
    counts.set(event.stage, isLast ? 0 : count);
    if (!isLast) return [];
    return [count === 1 ? line(entry) : `${time(entry)}  ${event.stage}: ${count} checkpoints, the last after step ${event.step} (${size(event.bytes)})`];
  });
}

const time = ({ at }: LedgerEntry): string => moment(at).slice(11);

const line = (entry: LedgerEntry): string => `${time(entry)}  ${story(entry.event)}`;
