import { mkdtempSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { sha256 } from "../../foundation/canonical.js";
import type { Plan, PlannedStage } from "../../schemas/plan.js";
import { Store } from "../../store/store.js";

/** A store in an empty home that goes with the test. */
export function emptyStore(): Store {
  const home = mkdtempSync(join(tmpdir(), "trueline-store-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return new Store(home);
}

/** A directory with files, ready to be published. */
export async function filled(store: Store, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = join(store.home, "scratch", sha256(JSON.stringify([files, performance.now()])).slice(0, 12));
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return directory;
}

export const keyOf = (name: string): string => sha256(name);

/** A planned stage of any kind, for what only needs its name, key and place. */
export function plannedStage(name: string, after: readonly string[] = [], kind = "pretrain"): PlannedStage {
  return {
    name, kind, key: keyOf(name), keyParts: {}, parameters: {}, seed: 1, inputs: {}, after: [...after], output: "language-model",
    resources: { gpus: 0 }, taskQueue: "trueline-cpu", timeouts: { heartbeatSeconds: 5, attemptHours: 1 },
  };
}

export function planOf(...stages: readonly PlannedStage[]): Plan {
  return { version: 1, name: "plan", specDigest: keyOf("spec"), specPath: "/spec.json", spec: "{}", stages: [...stages], notify: [], warnings: [] };
}
