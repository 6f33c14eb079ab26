import { suggestion } from "../foundation/suggest.js";
import { adaptableLayers, targetNames, unknownTargets } from "../models/adapter.js";
import type { AdaptableLayer } from "../models/adapter.js";
import { scratchConfiguration } from "../models/scratch.js";
import type { StageSpec } from "../schemas/spec.js";
import { ancestryOf } from "./ancestry.js";
import { targetOf, type Draft, type DraftStage } from "./draft.js";
import type { Facts } from "./facts.js";
import type { Fault } from "./fault.js";
import { sizesOf } from "./model-sizes.js";

/** Fields whose model a stage of the kind trains. */
const trained = ["model", "init", "policy", "critic"] as const;

/** Adapters on models that nothing has trained yet, or on layers that their models don't have. */
export function loraFaults(draft: Draft, facts: Facts, stage: DraftStage, complete: StageSpec): Fault[] {
  if (!("lora" in complete) || complete.lora === undefined) return [];
  const { targets } = complete.lora;
  return trained.flatMap((field): Fault[] => {
    const name = field === "policy" && complete.kind === "critic-pretrain" ? undefined : stage.references.find((reference) => reference.field === field)?.name;
    const target = name === undefined ? undefined : targetOf(draft, name);
    if (name === undefined || target === undefined) return [];
    if (target.from === "model" && !("path" in target.entry)) {
      return [{
        code: "TL_SPEC_CONFLICT", path: ["stages", stage.name, "lora"], part: "key",
        message: `\`lora\` leaves the weights as they are, and \`${name}\` begins from random ones`,
        hint: "leave `lora` out, or name a model that was trained: a stage, or a directory",
      }];
    }
    const layers = layersOf(draft, facts, name);
    return layers === undefined ? [] : unknownTargets(layers, targets).map((unknown) => ({
      code: "TL_SPEC_WRONG_VALUE", path: ["stages", stage.name, "lora", "targets"],
      message: `no layer of \`${name}\` is called \`${unknown}\``, hint: suggestion(unknown, targetNames(layers)),
    }));
  }).filter(({ message }, index, all) => all.findIndex((other) => other.message === message) === index);
}

/** The layers of the model that a name goes back to; undefined where it can't be told. */
function layersOf(draft: Draft, facts: Facts, name: string): readonly AdaptableLayer[] | undefined {
  const root = ancestryOf(draft, facts, name)?.root;
  const entry = root === undefined ? undefined : draft.models.get(root);
  if (root === undefined || entry === undefined) return undefined;
  if ("path" in entry) return facts.models.get(root)?.layers;
  return adaptableLayers(scratchConfiguration({ ...sizesOf(entry), layers: 1 }, { vocabulary: 1, endTokens: [] }));
}
