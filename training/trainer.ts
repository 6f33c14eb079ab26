import type { Backend } from "../backends/backend.js";
import type { Dataset } from "../data/dataset.js";
import type { ArtifactMetadata, Base } from "../schemas/artifact.js";
import type { ArtifactType } from "../schemas/stages/table.js";

/**
 * One stage's work as a sequence of steps. The loop in loop.ts drives every trainer alike: step, metrics, checkpoint,
 * cancellation. A trainer holds nothing that `checkpoint` does not write, and draws all randomness from
 * randomAt(seed, purpose, step), so a resumed stage ends with the bytes of one that was never interrupted.
 */
export interface Trainer {
  /** Number of steps in all; known once the data is read. */
  readonly steps: number;
  /** Metric names that belong on a progress line, in order, such as ["loss/policy", "objective/kl"]. */
  readonly headline: readonly string[];
  /** Does step `index` (from 0) and returns its metrics under the names the field knows. */
  step(index: number): Promise<Metrics>;
  /** Writes all that the next step depends on into an empty directory. `steps` is how many are done. */
  checkpoint(directory: string, steps: number): Promise<void>;
  /** Writes the artifact's files into an empty directory. */
  finish(directory: string): Promise<ArtifactMetadata>;
}

export type Metrics = Readonly<Record<string, number>>;

/** An input as the stage sees it. */
export interface InputArtifact {
  readonly type: ArtifactType;
  readonly directory: string;
  /** Of an adapter: the whole model under it, and the adapters to be folded in, itself last. Absent: the directory holds a whole model. */
  readonly weights?: ModelWeights;
  /** What an adapter that is trained on it names as its base. */
  readonly base?: Base;
  readonly metadata: ArtifactMetadata;
}

/** A whole model's directory, and the directories of the adapters that are folded in, the first one first. */
export interface ModelWeights {
  readonly directory: string;
  readonly adapters: readonly string[];
}

/** What a stage kind's factory is given. `Parameters` are complete; inputs and data are those its declaration names. */
export interface TrainerSetup<Parameters> {
  readonly parameters: Parameters;
  readonly seed: number;
  readonly backend: Backend;
  readonly artifacts: Readonly<Record<string, InputArtifact>>;
  /** Data by input name, read and split. */
  readonly data: Readonly<Record<string, StageData>>;
  /** Directory of the checkpoint to continue from. */
  readonly resume?: { readonly directory: string; readonly steps: number };
  /** Files of the user's that the stage reads or runs, by input name. */
  readonly files?: Readonly<Record<string, { readonly path: string }>>;
  /** What the worker lets stages do; absent: everything. */
  readonly rights?: Rights;
  /** When aborted, a step may throw its reason, as long as it has changed nothing yet: what waits for a server need not be waited for. */
  readonly signal?: AbortSignal;
  /** Takes what is to be ended when the stage ends, however it does. */
  readonly atEnd?: (end: () => Promise<void>) => void;
  /** File in which replies of servers are kept until the stage is finished, whatever becomes of its attempts; absent: in memory alone. */
  readonly replies?: string;
  /** Says what is being done between steps (loading, reading, saving); also a sign of life. */
  readonly phase: (text: string) => void;
  /** Where rows go that memory should not hold; default: the system's folder for temporary files. */
  readonly scratch?: string;
}

/** What a worker lets stages do. */
export interface Rights {
  /** Run modules of the user's. */
  readonly modules: boolean;
}

/** Rows of a data input under the uses its declaration asks for; other members are empty. */
export type StageData = Dataset;
