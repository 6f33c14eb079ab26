import type { LedgerEntry, LedgerEvent } from "../schemas/events.js";
import { defineCommand, jsonOption } from "./command.js";
import { duration } from "./output.js";
import { number } from "./run-view.js";
import { openStore } from "./store.js";

/** `trueline history RUN`: a run's ledger as a story. */
export const historyCommand = defineCommand({
  name: "history",
  arguments: "<run>",
  summary: "tell everything that happened in a run",
  details: "Read from the ledger, which outlasts any server's history. --json gives its entries with their hashes.",
  examples: ["trueline history hh-ppo-max-20260101-k3v9qz", "trueline history hh-ppo-max-20260101-k3v9qz --json"],
  options: { json: jsonOption },
  async run({ arguments: [id = ""], options, output }) {
    const store = openStore();
    await store.runs.read(id);
    const entries = await store.ledger.read(id);
    if (options.json) output.json(entries);
    else for (const entry of entries) output.data(line(entry));
    return 0;
  },
});

function line({ at, event }: LedgerEntry): string {
  return `${at.slice(0, 19).replace("T", " ")}  ${story(event)}`;
}

/** An event in words. */
export function story(event: LedgerEvent): string {
  switch (event.type) {
    case "run-submitted":
      return `${event.actor} submitted ${event.name} from ${event.specPath} (spec ${event.specDigest.slice(0, 12)}, Trueline ${event.versions.trueline ?? "?"})`;
    case "run-resumed": return `${event.actor} resumed the run: attempt ${event.attempt}`;
    case "stage-started": {
      const { environment, resumedFrom, worker, differs } = event;
      const where = environment === undefined ? "" : ` with ${environment.backend} on ${environment.device}, ${environment.threads} threads`;
      const from = resumedFrom === undefined ? "" : `, from step ${resumedFrom}`;
      const change = differs === undefined ? "" : `; other than at the checkpoint: ${differs.join(", ")}, so the bytes may differ`;
      return `${event.stage}: attempt ${event.attempt} started in process ${worker.pid} of ${worker.host}${where}${from}${change}`;
    }
    case "stage-reused": return `${event.stage}: result of run ${event.from} reused (artifact ${event.artifact.slice(0, 12)})`;
    case "checkpoint-saved": return `${event.stage}: checkpoint after step ${event.step} saved (${size(event.bytes)})`;
    case "checkpoint-skipped": return `${event.stage}: checkpoint of step ${event.step} passed over: ${event.reason}`;
    case "stage-stopped":
      return `${event.stage}: stopped (${event.cause})${event.checkpoint === undefined ? "" : `, checkpoint after step ${event.checkpoint}`}`;
    case "stage-failed":
      return `${event.stage}: attempt ${event.attempt} failed, ${event.retry ? "to be tried again" : "for good"}: ${event.failure.code} ${event.failure.message}`;
    case "stage-finished": {
      const figures = Object.entries(event.figures).slice(0, 4).map(([name, value]) => `${name} ${number(value)}`);
      return `${event.stage}: finished in ${duration(event.seconds)} (artifact ${event.artifact.slice(0, 12)})${figures.length === 0 ? "" : `: ${figures.join(", ")}`}`;
    }
    case "cancel-requested": return `${event.actor} asked for the run to be cancelled`;
    case "run-cancelled": return "the run was cancelled";
    case "run-failed": return `the run failed: ${event.failures.map(({ stage, code }) => `${stage} (${code})`).join(", ")}`;
    case "run-finished": return "the run finished";
  }
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
