import type { LedgerEntry } from "../schemas/events.js";
import { filesOf, type Plan, type PlannedStage } from "../schemas/plan.js";
import { entriesOf, inOrder, type Chronicle } from "./chronicle.js";
import { planDigests } from "./verify-run.js";

/** How an artifact came to be, in one run. */
export interface Making {
  readonly artifact: string;
  readonly run: string;
  readonly stage: string;
  readonly kind: string | undefined;
  readonly key: string;
  readonly finishedAt: string;
  readonly seconds: number;
  readonly figures: Readonly<Record<string, number>>;
  /** Of the plan that held then; undefined where its file is damaged. */
  readonly plan: { readonly specPath: string; readonly specDigest: string } | undefined;
  readonly parameters: PlannedStage["parameters"] | undefined;
  readonly seed: number | undefined;
  /** Each attempt's own line: when, by which process on which host, with what, from which step, with what overrides. */
  readonly attempts: readonly LedgerEntry[];
  readonly checkpoints: number;
  /** What was decided about the stage on the way: approvals, guards, rollbacks, stops, retries, results set aside. */
  readonly decisions: readonly LedgerEntry[];
  readonly inputs: readonly TracedInput[];
}

/** What a stage read, by the input's name. */
export interface TracedInput {
  readonly input: string;
  readonly from: "stage" | "file" | "directory";
  /** The stage's name, or the path. */
  readonly name: string;
  readonly digest: string;
  readonly format?: string;
}

/** A stage that read an artifact, or a run that reused it. */
export interface Use {
  readonly how: "read" | "reused";
  readonly run: string;
  readonly stage: string;
  readonly kind: string | undefined;
  readonly at: string;
  /** The artifact that was used. */
  readonly artifact: string;
  /** What came of it, where it finished. */
  readonly made?: string;
  readonly figures?: Readonly<Record<string, number>>;
}

export interface Trace {
  readonly artifact: string;
  /** What made it, the nearest first, each once. */
  readonly makings: readonly Making[];
  /** What was decided about the runs that made these, as a whole. */
  readonly runs: readonly { readonly run: string; readonly decisions: readonly LedgerEntry[] }[];
  /** What used it, and what used what came of that. */
  readonly uses: readonly Use[];
  /** When `gc` took it out of the store. */
  readonly removed: LedgerEntry | undefined;
}

/** A run with all plans that it has had, by digest; those that can't be read are missing. */
export interface PlannedChronicle extends Chronicle {
  readonly plans: ReadonlyMap<string, Plan>;
}

const runDecisions = [
  "run-submitted", "run-resumed", "pause-requested", "unpause-requested", "cancel-requested", "run-paused", "run-cancelled", "run-failed",
] as const;

/** Where an artifact comes from and where it went, from the ledgers alone. Pure. */
export function traceArtifact(artifact: string, chronicles: readonly PlannedChronicle[]): Trace {
  const makings: Making[] = [];
  const seen = new Set<string>();
  for (const waiting = [artifact]; waiting.length > 0;) {
    const digest = waiting.shift()!;
    if (seen.has(digest)) continue;
    seen.add(digest);
    for (const making of makingsOf(digest, chronicles)) {
      makings.push(making);
      waiting.push(...making.inputs.filter(({ from }) => from === "stage").map((input) => input.digest));
    }
  }
  // What was made last stands nearest.
  makings.sort((a, b) => Number(b.artifact === artifact) - Number(a.artifact === artifact) || b.finishedAt.localeCompare(a.finishedAt));
  const runs = [...new Set(makings.map(({ run }) => run))].map((run) => ({
    run, decisions: entriesOf(chronicles.find((each) => each.run === run)?.entries ?? [], ...runDecisions) as LedgerEntry[],
  }));
  const told = chronicles.flatMap(({ entries }) => entriesOf(entries, "stage-finished", "stage-reused", "artifact-removed").filter(({ event }) => event.artifact === artifact));
  const last = inOrder(told).at(-1);
  return { artifact, makings, runs, uses: usesOf(artifact, chronicles), removed: last?.event.type === "artifact-removed" ? last as LedgerEntry : undefined };
}

function makingsOf(artifact: string, chronicles: readonly PlannedChronicle[]): Making[] {
  return chronicles.flatMap((chronicle) => entriesOf(chronicle.entries, "stage-finished")
    .filter(({ event }) => event.artifact === artifact)
    .map(({ sequence }) => makingAt(chronicle, sequence)))
    .sort((a, b) => a.finishedAt.localeCompare(b.finishedAt));
}

/** The making that ends with the `stage-finished` of a ledger's line. */
function makingAt({ run, entries, plans }: PlannedChronicle, sequence: number): Making {
  const [end] = entriesOf(entries.slice(sequence, sequence + 1), "stage-finished");
  const { at, event: { stage, key, artifact, seconds, figures } } = end!;
  const before = entries.slice(0, sequence).filter(({ event }) => "stage" in event && event.stage === stage);
  // What was set aside is the reason for this making; what finished before is another.
  const previous = before.findLastIndex(({ event }) => event.type === "stage-finished");
  const own = before.slice(previous + 1);
  const attempts = entriesOf(own, "stage-started");
  const planDigest = planDigests(entries.slice(0, sequence)).at(-1);
  const plan = planDigest === undefined ? undefined : plans.get(planDigest);
  const planned = plan?.stages.find((each) => each.name === stage && each.key === key);
  const inputs = attempts.at(-1)?.event.inputs ?? {};
  return {
    artifact, run, stage, key, kind: planned?.kind, finishedAt: at, seconds, figures, parameters: planned?.parameters, seed: planned?.seed,
    plan: plan && { specPath: plan.specPath, specDigest: plan.specDigest },
    attempts: attempts as LedgerEntry[], checkpoints: entriesOf(own, "checkpoint-saved").length,
    decisions: own.filter(({ event }) => event.type !== "stage-started" && event.type !== "checkpoint-saved"),
    inputs: Object.entries(inputs).flatMap(([input, digests]) => tracedInputs(input, digests, planned)),
  };
}

function tracedInputs(input: string, digests: readonly string[], planned: PlannedStage | undefined): TracedInput[] {
  const source = planned?.inputs[input];
  return digests.map((digest, index): TracedInput => {
    switch (source?.from) {
      case "stage": return { input, from: "stage", name: source.stage, digest };
      case "scratch": return { input, from: "stage", name: source.tokenizer, digest };
      case "directory": return { input, from: "directory", name: [source, ...source.under ?? []][index]?.path ?? source.path, digest };
      case "file": return { input, from: "file", name: source.path, digest };
      case "data": {
        const read = source.entries.flatMap((entry): Pick<TracedInput, "from" | "name" | "format">[] => "stage" in entry
          ? [{ from: "stage", name: entry.stage }] : filesOf(entry).map(({ path }) => ({ from: "file", name: path, format: entry.format })))[index];
        return { input, ...(read ?? { from: "file", name: input }), digest };
      }
      case undefined: return { input, from: "stage", name: input, digest };
    }
  });
}

function usesOf(artifact: string, chronicles: readonly PlannedChronicle[]): Use[] {
  const uses = new Map<string, Use>();
  const seen = new Set<string>();
  for (const waiting = [artifact]; waiting.length > 0;) {
    const digest = waiting.shift()!;
    if (seen.has(digest)) continue;
    seen.add(digest);
    for (const { run, entries, plan } of chronicles) {
      const kindOf = (stage: string): string | undefined => plan?.stages.find(({ name }) => name === stage)?.kind;
      for (const { at, event } of entriesOf(entries, "stage-started", "stage-reused")) {
        const { stage } = event;
        if (event.type === "stage-reused") {
          if (event.artifact === digest) uses.set(`${run}/${stage} reused`, { how: "reused", run, stage, kind: kindOf(stage), at, artifact: digest });
          continue;
        }
        if (!Object.values(event.inputs).flat().includes(digest)) continue;
        const made = entriesOf(entries, "stage-finished").findLast((each) => each.event.stage === stage && each.event.key === event.key)?.event;
        uses.set(`${run}/${stage}`, { how: "read", run, stage, kind: kindOf(stage), at, artifact: digest, ...(made !== undefined && { made: made.artifact, figures: made.figures }) });
        if (made !== undefined) waiting.push(made.artifact);
      }
    }
  }
  return [...uses.values()].sort((a, b) => a.at.localeCompare(b.at));
}
