import { DefaultLogger, makeTelemetryFilterString, type LogEntry, type LogMetadata, type RuntimeOptions } from "@temporalio/worker";
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { inspect } from "node:util";

/** The part of Temporal's code that says how often it has tried to reach the server. */
const retrySource = "temporalio_client::retry";
/** After so long without a word about the server, its absence is news again. */
const quietMilliseconds = 60_000;

/**
 * What a worker's runtime takes to log with: on the console a plain line for each thing that is worth one, with all that Temporal tells of it, stacks included, in the
 * file at `path`. That the server does not answer is said once.
 */
export function quietLog(path: string, say: (text: string) => void): Pick<RuntimeOptions, "logger" | "telemetryOptions"> {
  let heardAt = -Infinity;
  const logger = new DefaultLogger("WARN", (entry) => {
    keep(path, textOf(entry));
    if (entry.meta?.["target"] !== retrySource) return say(`${lineOf(entry)} (${path})`);
    const isNew = performance.now() - heardAt > quietMilliseconds;
    heardAt = performance.now();
    if (isNew) say(`The Temporal server does not answer; this worker tries again until it does. (${path})`);
  });
  return { logger, telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: "WARN", other: "ERROR" }) } } };
}

function lineOf({ message, meta }: LogEntry): string {
  const cause = errorIn(meta);
  return `Temporal: ${[message, cause].filter((part) => part !== undefined).join(": ").split("\n")[0]}`;
}

function errorIn(meta: LogMetadata | undefined): string | undefined {
  const error: unknown = meta?.["error"];
  return error instanceof Error ? error.message : undefined;
}

function textOf({ level, message, meta, timestampNanos }: LogEntry): string {
  return `${new Date(Number(timestampNanos / 1_000_000n)).toISOString()} [${level}] ${message}${meta === undefined ? "" : ` ${inspect(meta, { depth: 8 })}`}\n`;
}

/** A disk without room for it ends no training. */
function keep(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    appendFileSync(path, text);
  } catch {
    // What it is about is said on the console all the same.
  }
}
