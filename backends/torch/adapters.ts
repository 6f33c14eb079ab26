import { type AdaptableLayer, initialA } from "../../models/adapter.js";
import { type AdapterDescription, describeAdapter } from "../../models/adapter-files.js";
import type { Head } from "../../models/configuration.js";
import { newAdapter } from "../adapters.js";
import type { LoadRequest } from "../backend.js";

/** An adapter's files, and how its products are scaled. */
interface AdapterFile {
  readonly directory: string;
  readonly rank: number;
  readonly scale: number;
}

/** A load request's adapters as the processes are told of them. */
export interface Adapters {
  /** Those folded into the weights. */
  readonly adapters: readonly AdapterFile[];
  /** The one that is trained: in files, or new with A by layer. */
  readonly adapter: AdapterFile | { readonly rank: number; readonly scale: number; readonly layers: Readonly<Record<string, Float32Array>> } | null;
  /** The head that the last adapter with one brings. */
  readonly adapterHead: Head | undefined;
  /** Of the one that is trained. */
  readonly description: AdapterDescription | undefined;
}

/**
 * Reads adapters' configurations and draws a new one, so that it has the same numbers on every backend.
 * @param layers those of the model. @throws TL_MODEL_*, TL_BACKEND_REQUEST_INVALID
 */
export async function adaptersOf({ adapters = [], adapter, head }: LoadRequest, layers: readonly AdaptableLayer[]): Promise<Adapters> {
  const read = async (directory: string) => ({ directory, description: await describeAdapter(directory) });
  const file = ({ directory, description: { rank, scale } }: Awaited<ReturnType<typeof read>>): AdapterFile => ({ directory, rank, scale });
  const below = await Promise.all(adapters.map(read));
  const resumed = adapter !== undefined && "directory" in adapter ? await read(adapter.directory) : undefined;
  const adapterHead = [...below, ...resumed === undefined ? [] : [resumed]].map(({ description }) => description.head).findLast((each) => each !== "language");
  const told = { adapters: below.map(file), adapterHead };
  if (resumed !== undefined) return { ...told, adapter: file(resumed), description: resumed.description };
  if (adapter === undefined || "directory" in adapter) return { ...told, adapter: null, description: undefined };
  const { description, layers: chosen } = newAdapter(adapter, head, layers);
  const { rank, scale } = description;
  const drawn = Object.fromEntries(chosen.map((layer) => [layer.module, initialA(layer, rank, adapter.seed).data]));
  return { ...told, adapter: { rank, scale, layers: drawn }, description };
}
