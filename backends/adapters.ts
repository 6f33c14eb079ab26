import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { type AdaptableLayer, targetNames, targetedLayers, unknownTargets } from "../models/adapter.js";
import type { AdapterDescription } from "../models/adapter-files.js";
import type { Head, NewAdapter } from "./backend.js";

/**
 * What a new adapter is, and the layers that it stands on.
 * @param layers all that the model has.
 * @throws TL_BACKEND_REQUEST_INVALID naming the field.
 */
export function newAdapter(
  { rank, alpha, targets, base }: NewAdapter, head: Head, layers: readonly AdaptableLayer[],
): { readonly description: AdapterDescription; readonly layers: readonly AdaptableLayer[] } {
  const invalid = (message: string, hint?: string) => new TruelineError("TL_BACKEND_REQUEST_INVALID", message, { hint });
  if (!Number.isInteger(rank) || rank < 1) throw invalid(`an adapter's rank is ${rank}`, "It is a whole number from 1 on.");
  if (!(alpha > 0 && Number.isFinite(alpha))) throw invalid(`an adapter's alpha is ${alpha}`, "It is above 0.");
  const [unknown] = unknownTargets(layers, targets);
  if (unknown !== undefined) throw invalid(`an adapter is to stand on "${unknown}", which no layer is called`, suggestion(unknown, targetNames(layers)));
  const chosen = targetedLayers(layers, targets);
  if (chosen.length === 0) throw invalid("an adapter is to stand on no layer", `Layers: ${targetNames(layers).join(", ")}.`);
  return {
    layers: chosen,
    description: {
      rank, alpha, scale: alpha / rank, head, targets: targets === "all-linear" ? targetNames(layers) : targets,
      inputFirst: chosen.every(({ inputFirst }) => inputFirst), ...(base !== undefined && { base }),
    },
  };
}
