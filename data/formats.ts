import type { DataFormat } from "../schemas/spec.js";
import type { DataUse } from "../schemas/stages/table.js";

/**
 * What a file of each format can serve as. Pairs give dialogues (their chosen side) and prompts; whatever holds
 * dialogues gives them as plain text too, so that one file can train a tokenizer and be pretrained on.
 */
const uses = {
  "hh-rlhf": ["pairs", "dialogues", "prompts", "text"],
  preference: ["pairs", "dialogues", "prompts", "text"],
  dialogue: ["dialogues", "prompts", "text"],
  prompt: ["prompts"],
  text: ["text"],
} as const satisfies Record<DataFormat, readonly DataUse[]>;

/** The uses that a data entry of this format can be put to. */
export function dataUses(format: DataFormat): readonly DataUse[] {
  return uses[format];
}
