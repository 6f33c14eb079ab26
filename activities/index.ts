import { Context } from "@temporalio/activity";
import { stageKinds, type StageKind } from "../schemas/stages/table.js";
import { closeRun } from "../schemas/task.js";
import type { Store } from "../store/store.js";
import { recordEnd } from "./end.js";
import { withReport } from "./evaluate.js";
import { attemptStage, type StageWork } from "./stage.js";
import { trainStage, type StartBackend } from "./train.js";

export interface ActivityOptions {
  readonly store: Store;
  /** Default: the embedded one, on ONNX Runtime. */
  readonly startBackend?: StartBackend;
  /** Seconds after which a backend's call counts as hung. */
  readonly stallSeconds: number;
}

type Activities = Readonly<Record<string, (input: unknown) => Promise<unknown>>>;

/** What a kind does beyond training. */
const extras: Partial<Record<StageKind, (work: StageWork) => StageWork>> = { evaluate: withReport };

/** One activity for each stage kind, named as the kind, and the one that records a run's end. */
export function createActivities({ store, startBackend = startEmbedded, stallSeconds }: ActivityOptions): Activities {
  const stages = Object.entries(stageKinds).map(([kind, { backend, output }]) => {
    const train = trainStage(backend ? startBackend : undefined, stallSeconds);
    const work = extras[kind as StageKind]?.(train) ?? train;
    return [kind, (input: unknown) => attemptStage(store, Context.current(), input, output, work)] as const;
  });
  return { ...Object.fromEntries(stages), [closeRun]: (end: unknown) => recordEnd(store, end) };
}

const startEmbedded: StartBackend = async (options) => (await import("../backends/onnx/index.js")).startOnnxBackend(options);
