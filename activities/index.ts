import { Context } from "@temporalio/activity";
import { startOnnxBackend } from "../backends/onnx/index.js";
import { startTorchBackend } from "../backends/torch/index.js";
import { TruelineError } from "../foundation/errors.js";
import { storageFault } from "../foundation/storage-faults.js";
import { stageKinds, type StageKind } from "../schemas/stages/table.js";
import { gpusSchema, type ControlActivities } from "../schemas/control.js";
import { place } from "../store/placement.js";
import type { Store } from "../store/store.js";
import type { Rights } from "../training/trainer.js";
import { ask, expire, readOrders, record, recordEnd } from "./control.js";
import { failed } from "./ending.js";
import { withReport } from "./evaluate.js";
import { notify } from "./notify.js";
import { withAccuracyPage, withChoicePage, withPreferencesPage } from "./pages.js";
import { withDeadline } from "./pulse.js";
import { attemptStage, type StageWork } from "./stage.js";
import { trainStage, type StartBackend } from "./train.js";

export interface ActivityOptions {
  readonly store: Store;
  /** Default: the one that the stage's resources name. */
  readonly startBackend?: StartBackend;
  /** Seconds after which a backend's call counts as hung. */
  readonly stallSeconds: number;
  /** What stages may do here; default: everything. */
  readonly rights?: Rights;
}

type Activities = Readonly<Record<string, (input: never) => Promise<unknown>>>;

/** What a kind does beyond training. */
const extras: Partial<Record<StageKind, (work: StageWork) => StageWork>> = {
  preferences: withPreferencesPage, evaluate: withReport, "reward-accuracy": withAccuracyPage, "multiple-choice": withChoicePage,
};

/** One activity for each stage kind, named as the kind, and those by which a workflow reads and writes its run's ledger. */
export function createActivities({ store, startBackend = startNamed, stallSeconds, rights }: ActivityOptions): Activities {
  const stages = Object.entries(stageKinds).map(([kind, { backend, output }]) => {
    const train = trainStage(backend ? startBackend : undefined, stallSeconds, rights);
    const work = extras[kind as StageKind]?.(train) ?? train;
    return [kind, (input: unknown) => attemptStage(store, Context.current(), input, output, work)] as const;
  });
  return { ...Object.fromEntries(stages), ...createControls(store) };
}

/** What workflows do in the ledgers of their runs. */
export function createControls(store: Store): ControlActivities {
  return {
    "read-orders": withCode((run) => readOrders(store, run)),
    "close-run": withCode((end) => recordEnd(store, end)),
    ask: withCode((question) => ask(store, question)),
    expire: withCode((question) => expire(store, question)),
    record: withCode((given) => record(store, given)),
    place: withCode(async (need) => await place(store, gpusSchema.parse(need)) ?? null),
    notify: (notice) => notify(store, process.env, notice),
  };
}

/** The same, its error known to Temporal by its code: a store that may not be written is not tried again, and people get to see it. */
function withCode<Input, Output>(work: (input: Input) => Promise<Output>): (input: Input) => Promise<Output> {
  return async (input) => {
    try {
      return await work(input);
    } catch (cause) {
      const error = storageFault(cause);
      throw error instanceof TruelineError ? failed(error) : error;
    }
  };
}

/** A worker without Python never looks for it. The embedded backend shows no signs of life. */
const startNamed: StartBackend = async ({ resources, generation, signal, stallSeconds }) => {
  const { backend = "onnx", cpus: threads, gpus, executionProviders, processes = Math.max(1, gpus) } = resources;
  switch (backend) {
    case "onnx":
      return withDeadline(await startOnnxBackend({ threads, executionProviders, signal }), stallSeconds);
    case "torch": {
      const { pieceTokens, activationCheckpointing, offload, vllmMemory: memoryShare = 0.3 } = resources;
      return startTorchBackend({
        threads, processes, device: gpus > 0 ? "cuda" : "auto", pieceTokens, activationCheckpointing, offload, signal, stallSeconds,
        ...(generation === "vllm" && { vllm: { memoryShare } }),
      });
    }
  }
};
