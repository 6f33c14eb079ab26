import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { initializeModel } from "../models/initialize.js";
import { type Side, ours, peer, threads } from "./sides.js";
import { type Workload, sizes, workloads } from "./workloads.js";

interface Figures {
  /** Peer's time over ours, median over rounds: above 1 we are faster. */
  readonly ratio: number;
  readonly ours: { readonly milliseconds: number; readonly peakMemory: number };
  readonly peer: { readonly milliseconds: number; readonly peakMemory: number };
}

const { values: options } = parseArgs({
  options: { json: { type: "boolean", default: false }, rounds: { type: "string", default: "9" }, only: { type: "string", default: "" } },
});
const warmups = 2;

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((left, right) => left - right);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
};

/** Runs both sides in turns, so that whatever else the machine does falls on both. */
async function compare(workload: Workload, rounds: number): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), "trueline-bench-"));
  const sides: Side[] = [];
  try {
    await initializeModel(directory, sizes[workload.size], 1);
    sides.push(await ours(workload, directory), await peer(workload, directory));
    const [mine, theirs] = sides as [Side, Side];
    const times: (readonly [number, number])[] = [];
    for (let round = -warmups; round < rounds; round++) {
      const [a, b] = [await mine.run(), await theirs.run()];
      if (Math.abs(a.result - b.result) > 1e-3 * Math.abs(b.result)) throw new Error(`the sides disagree: ${a.result} and ${b.result}`);
      if (round >= 0) times.push([a.milliseconds, b.milliseconds]);
    }
    return {
      ratio: median(times.map(([a, b]) => b / a)),
      ours: { milliseconds: median(times.map(([a]) => a)), peakMemory: mine.peakMemory() },
      peer: { milliseconds: median(times.map(([, b]) => b)), peakMemory: theirs.peakMemory() },
    };
  } finally {
    await Promise.all(sides.map((side) => side.close()));
    await rm(directory, { recursive: true });
  }
}

const report: Record<string, Record<string, Figures>> = {};
for (const [name, group] of Object.entries(workloads)) {
  for (const workload of group) {
    if (!`${name}/${workload.size}`.includes(options.only)) continue;
    const figures = await compare(workload, Number(options.rounds));
    (report[name] ??= {})[workload.size] = figures;
    const side = ({ milliseconds, peakMemory }: Figures["ours"]) => `${milliseconds.toFixed(0)} ms, ${(peakMemory / 1e9).toFixed(2)} GB`;
    process.stderr.write(`${name} ${workload.size}: ${figures.ratio.toFixed(2)}× (Trueline ${side(figures.ours)}; peer ${side(figures.peer)})\n`);
  }
}
if (options.json) process.stdout.write(`${JSON.stringify({ threads, processor: cpus()[0]?.model, rounds: Number(options.rounds), ...report }, undefined, 2)}\n`);
