import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { counted } from "../foundation/text.js";
import { digestNow, sourcesOf } from "../models/sources.js";
import type { StoreFault } from "../store/chain.js";
import { readChronicles } from "../store/chronicle.js";
import type { Store } from "../store/store.js";
import { verifyStore, type Verification } from "../store/verify.js";
import { defineCommand, jsonOption } from "./command.js";
import { size, type Output } from "./output.js";
import { openStore } from "./store.js";

/** Files that take long enough to hash that somebody may wonder. */
const bigBytes = 256e6;

/** `trueline verify [RUN...]`: every byte that lasts against the digests that name it. */
export const verifyCommand = defineCommand({
  name: "verify",
  arguments: "[run...]",
  summary: "check ledgers, plans, results, checkpoints and every byte of every artifact",
  details: "Without a run: the whole store. A single flipped bit is found, and exits with 1 and TL_STORE_CORRUPT. Changes nothing.\n"
    + "Data files and model directories outside the store that have changed since are named too: they damage no run.\n"
    + "Prints each ledger's newest hash: noted elsewhere and given as --head, it shows a ledger that somebody rewrote as a whole.",
  examples: ["trueline verify", "trueline verify hh-ppo-max-20260101-k3v9qz", "trueline verify hh-ppo-max-20260101-k3v9qz --head 5b1f… --json"],
  options: {
    json: jsonOption,
    head: {
      flags: "--head <hash>", summary: "hash, printed by an earlier verify, that the run's ledger must still have",
      schema: z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits").optional(),
    },
  },
  async run({ arguments: given, options: { json, head }, output }) {
    const runs = given.length === 0 ? undefined : given;
    if (head !== undefined && runs?.length !== 1) throw new TruelineError("TL_USAGE", "--head is the hash of one ledger.", { hint: "Name the run it was printed for." });
    const store = openStore();
    const found = await verifyStore(store, { runs, head, onFile: (file, bytes) => { if (bytes >= bigBytes) output.note(`Hashing ${file} (${size(bytes)})`); } });
    const outside = await outsideChanges(store, runs);
    for (const { file, found: what, expected } of outside) output.note(`${output.noteColors.yellow("outside the store:")} ${file} ${what}; the run was planned with ${expected}`);
    for (const note of found.notes) output.note(`${output.noteColors.cyan("note:")} ${note}`);
    if (json) output.json({ whole: found.faults.length === 0, ...found, outside });
    else show(found, output);
    if (found.faults.length === 0) return 0;
    const count = found.faults.length === 1 ? "One place in" : `${found.faults.length} places in`;
    throw new TruelineError("TL_STORE_CORRUPT", `${count} ${store.home} ${found.faults.length === 1 ? "is" : "are"} not as written.`, {
      hint: "Restore what is named from a backup. What is lost of results and artifacts is made again: remove it, then `trueline resume RUN`.",
    });
  },
});

/** Files and model directories that plans name and that are no longer what they were. */
async function outsideChanges(store: Store, runs: readonly string[] | undefined): Promise<StoreFault[]> {
  const { chronicles } = await readChronicles(store);
  const plans = chronicles.flatMap(({ run, plan }) => plan !== undefined && (runs === undefined || runs.includes(run)) ? [plan] : []);
  const sources = plans.flatMap(({ stages }) => stages.flatMap(({ inputs }) => Object.entries(inputs).flatMap(([field, input]) => sourcesOf(field, input))));
  const unique = new Map(sources.map((source) => [`${source.path}\0${source.digest}`, source]));
  const found = await Promise.all([...unique.values()].map(async (source): Promise<StoreFault[]> => {
    const now = await digestNow(source);
    return now === source.digest ? [] : [{ file: source.path, found: now === undefined ? "is no longer there" : "has changed", expected: `SHA-256 ${source.digest}` }];
  }));
  return found.flat();
}

function show({ runs, faults, artifacts }: Verification, output: Output): void {
  for (const { file, found, expected } of faults) output.data(`${output.colors.red(file)}: ${found}; expected ${expected}`);
  for (const { run, lines, head } of runs) output.data(`${run}  ${counted(lines, "line")}  head ${head ?? "none"}`);
  if (faults.length === 0) output.data(`Everything is as it was written: ${counted(runs.length, "run")}, ${counted(artifacts, "artifact")}.`);
}
