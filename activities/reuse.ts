import { join } from "node:path";
import { z } from "zod";
import { changesOf, plannedGuardsSchema, type Guards } from "../schemas/guards.js";
import type { PlannedStage } from "../schemas/plan.js";
import { parseMetrics } from "../schemas/report.js";
import { readIfThere } from "../store/files.js";
import type { Store } from "../store/store.js";
import { breachesIn, noPast, type Breach, type Past } from "../training/guards.js";
import { METRICS_FILE } from "../training/loop.js";

const guarded = z.object({ guards: plannedGuardsSchema.default({}) });

/** The guards of a planned stage; none where its kind has none. */
export function guardsOf({ parameters }: Pick<PlannedStage, "parameters">): Guards {
  return guarded.parse(parameters).guards;
}

/**
 * What the guards of the spec that reuses a result find in it: guards that change no result are no part of a key, so another run may have made it
 * without them.
 */
export async function breachesOfReuse(
  store: Store, stage: Pick<PlannedStage, "parameters">, artifact: string, isWaived: Past["isWaived"] = () => false,
): Promise<Breach[]> {
  const lenient = Object.entries(guardsOf(stage)).filter(([, guard]) => changesOf(guard).length === 0);
  if (lenient.length === 0) return [];
  const text = await readIfThere(join(store.artifacts.directory(artifact), METRICS_FILE)) ?? "";
  return [...breachesIn(Object.fromEntries(lenient), parseMetrics(text, METRICS_FILE), { ...noPast, isWaived })];
}
