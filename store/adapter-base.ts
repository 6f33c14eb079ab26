import type { Base } from "../schemas/artifact.js";
import type { Artifacts } from "./artifacts.js";

/** What an artifact of a model is made of: a whole model's directory, and adapters to fold in, the first one first. */
export interface ArtifactWeights {
  readonly directory: string;
  readonly adapters: readonly string[];
  /** The directory outside the store that the adapters stand on, with the digest that it had. */
  readonly outside?: Extract<Base, { readonly path: string }>;
}

/** Follows an adapter to the whole model under it. Errors: TL_STORE_MISSING, TL_STORE_CORRUPT. */
export async function weightsOf(artifacts: Artifacts, digest: string): Promise<ArtifactWeights> {
  const { metadata: { base } } = await artifacts.read(digest);
  const own = artifacts.directory(digest);
  if (base === undefined) return { directory: own, adapters: [] };
  if ("path" in base) {
    const [whole, ...between] = [...base.under ?? [], base].map(({ path }) => path);
    return { directory: whole!, adapters: [...between, own], outside: base };
  }
  const under = await weightsOf(artifacts, base.artifact);
  return { ...under, adapters: [...under.adapters, own] };
}
