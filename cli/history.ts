import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { nearest, suggestion } from "../foundation/suggest.js";
import type { LedgerEntry } from "../schemas/events.js";
import { readChronicles } from "../store/chronicle.js";
import { verifyHint } from "../store/files.js";
import type { Store } from "../store/store.js";
import { chapters } from "./chapters.js";
import { defineCommand, jsonOption } from "./command.js";
import { duration, moment, number, table, type Output } from "./output.js";
import { stageHistory, type StagePast } from "./stage-history.js";
import { openStore } from "./store.js";

/** `trueline history RUN | RUN/STAGE | STAGE`: what happened, in a run or to a stage across runs. */
export const historyCommand = defineCommand({
  name: "history",
  arguments: "<name>",
  summary: "tell what happened in a run, to one of its stages, or to a stage across runs",
  details: "NAME is RUN, RUN/STAGE, or STAGE. Read from the ledgers, which outlast any server's history. --json gives a ledger's entries\n"
    + "with their hashes, and of a stage across runs its rows.",
  examples: ["trueline history hh-ppo-max-20260101-k3v9qz", "trueline history hh-ppo-max-20260101-k3v9qz/ppo --all", "trueline history ppo"],
  options: {
    json: jsonOption,
    all: { flags: "--all", summary: "give every checkpoint its line", schema: z.boolean().default(false) },
    as: { flags: "--as <kind>", summary: "what the name is, where it is both: run or stage", schema: z.enum(["run", "stage"]).optional() },
  },
  async run({ arguments: [name = ""], options: { json, all, as }, output }) {
    const store = openStore();
    const [, run, stage] = /^([\w-]+)\/([^/]+)$/.exec(name) ?? [];
    if (run !== undefined && stage !== undefined) {
      const entries = await ledgerOf(store, run);
      const own = ofStage(entries, run, stage);
      if (json) output.json(own);
      else tell(entries, output, { all, stage });
      return 0;
    }
    const known = await namesIn(store);
    if (known.runs.has(name) && known.stages.has(name) && as === undefined) {
      throw new TruelineError("TL_USAGE", `${name} is both a run and a stage.`, { hint: `Say which: trueline history ${name} --as run, or --as stage.` });
    }
    if (as === "stage" || as === undefined && known.stages.has(name) && !known.runs.has(name)) {
      const { chronicles, unread } = await readChronicles(store);
      for (const each of unread) output.note(`${output.noteColors.yellow("warning:")} run ${each.run} is left out: ${each.reason}`);
      const past = stageHistory(name, chronicles);
      if (past.length === 0) await refuseUnknown(store, name, known);
      if (json) output.json(past);
      else output.data(stageTable(past));
      return 0;
    }
    if (!known.runs.has(name)) await refuseUnknown(store, name, known);
    const entries = await ledgerOf(store, name);
    if (json) output.json(entries);
    else tell(entries, output, { all });
    return 0;
  },
});

interface Known {
  readonly runs: ReadonlySet<string>;
  readonly stages: ReadonlySet<string>;
}

async function namesIn(store: Store): Promise<Known> {
  const { chronicles, unread } = await readChronicles(store);
  return {
    runs: new Set([...chronicles, ...unread].map(({ run }) => run)),
    stages: new Set(chronicles.flatMap(({ plan }) => plan?.stages.map((stage) => stage.name) ?? [])),
  };
}

async function ledgerOf(store: Store, run: string): Promise<LedgerEntry[]> {
  const entries = await store.ledger.read(run);
  if (entries.length > 0) return entries;
  // Throws with a suggestion where there is no such run at all.
  await store.runs.read(run);
  throw new TruelineError("TL_STORE_CORRUPT", `${store.ledger.path(run)} is missing or empty: nothing tells what happened in run ${run}.`, verifyHint(run));
}

async function refuseUnknown(store: Store, name: string, { stages }: Known): Promise<never> {
  const near = nearest(name, stages);
  // A run that is near is suggested where runs are read.
  if (near === undefined) await store.runs.read(name);
  throw new TruelineError("TL_STORE_MISSING", `${name} is neither a run nor a stage of one in ${store.home}.`, {
    hint: near === undefined ? "`trueline runs` lists the runs." : `Did you mean ${near}?`,
  });
}

function ofStage(entries: readonly LedgerEntry[], run: string, stage: string): LedgerEntry[] {
  const own = entries.filter(({ event }) => "stage" in event && event.stage === stage);
  if (own.length > 0) return own;
  const stages = entries.flatMap(({ event }) => "stage" in event && event.stage !== undefined ? [event.stage] : []);
  throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `Nothing has happened to a stage ${stage} in run ${run}.`, { hint: suggestion(stage, stages) });
}

function tell(entries: readonly LedgerEntry[], output: Output, look: Parameters<typeof chapters>[1]): void {
  for (const { title, lines } of chapters(entries, look)) output.data([output.colors.bold(title), ...lines.map((line) => `  ${line}`)].join("\n"));
}

function stageTable(past: readonly StagePast[]): string {
  return table(["run", "when", "state", "time", "key", "artifact", ""], past.map(({ run, at, state, seconds, key, changes, figures, artifact, removed }) => [
    run, moment(at).slice(0, 16), state, seconds === undefined ? "" : duration(seconds), key.slice(0, 12),
    artifact === undefined ? "" : `${artifact.slice(0, 12)}${removed === undefined ? "" : " (removed)"}`,
    [figuresText(figures), changesText(changes)].filter((part) => part !== "").join("; "),
  ]));
}

function changesText(changes: readonly string[] | undefined): string {
  if (changes === undefined) return "";
  return changes.length === 0 ? "as before" : changes.length <= 3 ? changes.join(", ") : `${changes.slice(0, 3).join(", ")} and ${changes.length - 3} more changes`;
}

function figuresText(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures).slice(0, 3).map(([name, value]) => `${name} ${number(value)}`).join(", ");
}
