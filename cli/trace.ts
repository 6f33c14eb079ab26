import { stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { digestOf } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { counted } from "../foundation/text.js";
import { manifestSchema } from "../schemas/artifact.js";
import type { LedgerEntry } from "../schemas/events.js";
import type { StoreFault } from "../store/chain.js";
import { entriesOf } from "../store/chronicle.js";
import { readPlannedChronicles } from "../store/planned-chronicles.js";
import { readIfThere } from "../store/files.js";
import { parseJson } from "../store/records.js";
import type { Store } from "../store/store.js";
import { traceArtifact, type Making, type PlannedChronicle, type Trace, type Use } from "../store/trace.js";
import { directoryFaults } from "../store/verify-artifact.js";
import { defineCommand, jsonOption } from "./command.js";
import { exportAdditions } from "./export.js";
import { duration, moment, number, type Output } from "./output.js";
import { openStore } from "./store.js";
import { story } from "./story.js";

/** `trueline trace ARTIFACT`: where a model comes from, and where it went. */
export const traceCommand = defineCommand({
  name: "trace",
  arguments: "<artifact>",
  summary: "follow an artifact back to specs, data and decisions, and forward to what used it",
  details: "ARTIFACT is a model directory (an exported copy too), a digest or the start of one, or RUN/STAGE. Everything comes from the\n"
    + "ledgers, so what gc removed is known as well; of a copy it is said where its bytes differ. Uses are what stages of runs read and\n"
    + "reused; `export` and `generate` change nothing that others rest on, and leave no line.",
  examples: ["trueline trace ./my-model", "trueline trace da8152723d85", "trueline trace hh-ppo-max-20260101-k3v9qz/ppo --json"],
  options: { json: jsonOption },
  async run({ arguments: [name = ""], options, output }) {
    const store = openStore();
    const { chronicles, unread } = await readPlannedChronicles(store);
    for (const { run, reason } of unread) output.note(`${output.noteColors.yellow("warning:")} run ${run} is left out: ${reason}`);
    const { artifact, directory, differs } = await resolveArtifact(store, name, chronicles);
    const trace = traceArtifact(artifact, chronicles);
    if (options.json) output.json({ ...trace, directory, differs });
    else output.data(traceText(trace, directory, differs, output.colors).join("\n"));
    return 0;
  },
});

interface Resolved {
  readonly artifact: string;
  /** Where its files are, if anywhere. */
  readonly directory: string | undefined;
  /** What is not as it was made, file by file. */
  readonly differs: readonly StoreFault[];
}

async function resolveArtifact(store: Store, name: string, chronicles: readonly PlannedChronicle[]): Promise<Resolved> {
  const known = new Set([
    ...chronicles.flatMap(({ entries }) => entriesOf(entries, "stage-finished", "stage-reused").map(({ event }) => event.artifact)), ...await store.artifacts.digests(),
  ]);
  const inStore = async (artifact: string): Promise<Resolved> => {
    const directory = store.artifacts.directory(artifact);
    return await isDirectory(directory) ? { artifact, directory, differs: await differences(directory) } : { artifact, directory: undefined, differs: [] };
  };
  if (await isDirectory(name)) return directoryArtifact(resolve(name), known);
  const [run = "", stage = ""] = name.split("/");
  const chronicle = chronicles.find((each) => each.run === run);
  if (chronicle !== undefined && stage !== "") {
    const made = entriesOf(chronicle.entries, "stage-finished", "stage-reused").findLast(({ event }) => event.stage === stage);
    if (made !== undefined) return inStore(made.event.artifact);
    throw new TruelineError("TL_RUN_STAGE_UNFINISHED", `Stage ${stage} of run ${run} has left no artifact.`, { hint: `\`trueline status ${run}\` lists its stages.` });
  }
  const matches = /^[0-9a-f]{4,64}$/.test(name) ? [...known].filter((digest) => digest.startsWith(name)) : [];
  if (matches.length === 1) return inStore(matches[0]!);
  if (matches.length > 1) {
    throw new TruelineError("TL_USAGE", `${name} is the start of ${matches.length} artifacts: ${matches.map((digest) => digest.slice(0, 16)).join(", ")}.`, { hint: "Write more of its digits." });
  }
  throw new TruelineError("TL_STORE_MISSING", `${name} is no directory, no run's stage, and the start of no artifact's digest in ${store.home}.`, {
    hint: "Name a model directory, RUN/STAGE, or at least four digits of a digest.",
  });
}

/** The artifact that a directory is, or is a copy of, by its artifact.json. */
async function directoryArtifact(directory: string, known: ReadonlySet<string>): Promise<Resolved> {
  const text = await readIfThere(join(directory, "artifact.json"));
  const manifest = manifestSchema.safeParse(parseJson(text ?? "")).data;
  const artifact = manifest && digestOf(manifest);
  if (artifact !== undefined && known.has(artifact)) {
    const isAdded = ({ file, expected }: StoreFault) => expected === "no such file" && exportAdditions.has(relative(directory, file));
    return { artifact, directory, differs: (await differences(directory)).filter((fault) => !isAdded(fault)) };
  }
  const why = text === undefined ? "has no artifact.json" : manifest === undefined ? "has an artifact.json that can't be read" : "has an artifact.json that is of no artifact in this store's ledgers";
  throw new TruelineError("TL_STORE_MISSING", `${directory} ${why}.`, { hint: "TRUELINE_HOME names the store whose runs made it. A copy keeps its artifact.json as it was." });
}

async function differences(directory: string): Promise<StoreFault[]> {
  const manifest = manifestSchema.safeParse(parseJson(await readIfThere(join(directory, "artifact.json")) ?? "")).data;
  if (manifest === undefined) return [{ file: join(directory, "artifact.json"), found: "can't be read", expected: "the artifact's manifest" }];
  return directoryFaults(directory, manifest.files, "artifact.json", () => undefined);
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), () => false);
}

function traceText({ artifact, makings, runs, uses, removed }: Trace, directory: string | undefined, differs: readonly StoreFault[], colors: Output["colors"]): string[] {
  const lines = [colors.bold(`artifact ${artifact.slice(0, 12)}`) + (directory === undefined ? "" : `  ${directory}`)];
  if (removed !== undefined) lines.push(`  ${story(removed.event)}, ${moment(removed.at)}`);
  for (const { file, found, expected } of differs) lines.push(`  ${colors.red("differs")}: ${file} ${found}; it was made with ${expected}`);
  if (makings.length === 0) lines.push("  No ledger tells who made it.");
  for (const making of makings) lines.push("", ...makingText(making, making.artifact === artifact, colors));
  for (const { run, decisions } of runs) lines.push("", colors.bold(`run ${run}`), ...decisions.map(decisionText));
  if (uses.length > 0) lines.push("", colors.bold("used by"), ...uses.map((use) => useText(use, artifact)));
  return lines;
}

function makingText(making: Making, isRoot: boolean, colors: Output["colors"]): string[] {
  const { artifact, run, stage, kind, finishedAt, seconds, plan, parameters, seed, attempts, checkpoints, decisions, inputs, figures } = making;
  return [
    `${colors.bold(`${isRoot ? "made by" : "from"} ${run}/${stage}`)}  ${kind ?? "of a kind unknown"}, ${moment(finishedAt)}, ${duration(seconds)}, artifact ${artifact.slice(0, 12)}`,
    ...plan === undefined ? [] : [`  spec    ${plan.specPath} (${plan.specDigest.slice(0, 12)})`],
    ...parameters === undefined ? [] : [`  with    seed ${seed ?? "unknown"}, ${JSON.stringify(parameters)}`],
    ...inputs.map(({ input, from, name, digest }) => `  reads   ${input}: ${from === "stage" ? `stage ${name}, artifact` : name} ${digest.slice(0, 12)}`),
    ...attempts.map(decisionText),
    ...checkpoints === 0 ? [] : [`  ${counted(checkpoints, "checkpoint")} on the way`],
    ...decisions.map(decisionText),
    ...Object.keys(figures).length === 0 ? [] : [`  figures ${figuresText(figures)}`],
  ];
}

const decisionText = ({ at, event }: LedgerEntry): string => `  ${moment(at)}  ${story(event)}`;

function useText({ how, run, stage, kind, artifact, made, figures }: Use, root: string): string {
  const through = artifact === root ? "" : ` (through ${artifact.slice(0, 12)})`;
  if (how === "reused") return `  ${run}/${stage} reused it${through}`;
  return `  ${run}/${stage}  ${kind ?? ""}${through}${made === undefined ? ", unfinished" : `, artifact ${made.slice(0, 12)}`}${figures === undefined ? "" : `: ${figuresText(figures)}`}`;
}

function figuresText(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures).slice(0, 5).map(([name, value]) => `${name} ${number(value)}`).join(", ");
}
