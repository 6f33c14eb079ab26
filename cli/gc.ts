import { z } from "zod";
import { durationPattern, secondsOf } from "../foundation/durations.js";
import { counted } from "../foundation/text.js";
import { collect, survey, type Collection, type Removal } from "../store/gc.js";
import type { Policy } from "../store/needs.js";
import { actor } from "./actor.js";
import { defineCommand, jsonOption } from "./command.js";
import { wholeNumber } from "./numbers.js";
import { size, table, type Output } from "./output.js";
import { pinText } from "./pin.js";
import { openStore } from "./store.js";

const defaults = { keep: 5, olderThan: "30d" };
const durationWords = "a duration such as 12h or 30d";

/** `trueline gc`: what nothing needs any more; with --delete it is removed. */
export const gcCommand = defineCommand({
  name: "gc",
  summary: "list artifacts and leftovers that nothing needs; remove them with --delete",
  details: "Of finished runs, those past the newest of their pipeline and past the age give up what no other run needs. A run that can\n"
    + "still go on, a pin, a claim, and whatever was used within the hour are left alone. Ledgers, plans and records stay always,\n"
    + "so that history, trace and verify know what was removed. `trueline resume RUN` makes it again.",
  examples: ["trueline gc", "trueline gc --keep 2 --older-than 7d", "trueline gc --keep 2 --older-than 7d --delete"],
  options: {
    json: jsonOption,
    keep: { flags: "--keep <number>", summary: `newest finished runs of each pipeline that stay whole (default: ${defaults.keep})`, schema: wholeNumber(0).default(defaults.keep) },
    olderThan: {
      flags: "--older-than <duration>", summary: `how long ago a run must have ended (default: ${defaults.olderThan})`,
      schema: z.string(durationWords).regex(durationPattern, durationWords).default(defaults.olderThan),
    },
    delete: { flags: "--delete", summary: "remove what is listed", schema: z.boolean().default(false) },
  },
  async run({ options, output }) {
    const store = openStore();
    const policy: Policy = { keep: options.keep, olderThanSeconds: secondsOf(options.olderThan) };
    const found = await survey(store, policy);
    const reason = `gc --keep ${options.keep} --older-than ${options.olderThan}`;
    const gone = options.delete ? await collect(store, policy, found, { actor: actor(), reason, onRemoved: (removal) => output.note(`Removed ${words(removal)}`) }) : [];
    if (options.json) {
      const { removals, remaining, needs: { pins } } = found;
      output.json({ deleted: options.delete, policy: reason, removals: options.delete ? gone : removals, remaining, pins });
      return 0;
    }
    show(found, output);
    if (options.delete) output.data(gone.length === 0 ? "There was nothing to remove." : `Removed ${total(gone)}.`);
    else output.data(found.removals.length === 0 ? "Nothing to remove." : `${total(found.removals)} would go. Remove it with: trueline ${reason} --delete`);
    return 0;
  },
});

function show({ removals, remaining, needs: { pins } }: Collection, output: Output): void {
  if (removals.length > 0) output.data(table(["goes", "size", "why"], removals.map((removal) => [words(removal), size(removal.bytes), removal.why]), [1]));
  const reasons = new Map<string, { count: number; bytes: number }>();
  for (const { what, why, bytes } of remaining) {
    const name = `${what === "artifact" ? "artifacts" : "checkpoints"}: ${why}`;
    const { count = 0, bytes: sum = 0 } = reasons.get(name) ?? {};
    reasons.set(name, { count: count + 1, bytes: sum + bytes });
  }
  if (reasons.size > 0) output.data(table(["stays", "size", "why"], [...reasons].map(([why, { count, bytes }]) => [String(count), size(bytes), why]), [0, 1]));
  for (const pin of pins) output.data(pinText(pin));
}

function words({ what, path, digest, stages }: Removal): string {
  switch (what) {
    case "artifact": return `artifact ${digest!.slice(0, 12)}${stages.length === 0 ? "" : ` of ${stages.slice(0, 2).join(", ")}${stages.length > 2 ? ` and ${stages.length - 2} more` : ""}`}`;
    case "checkpoints": return `checkpoints of key ${digest!.slice(0, 12)}`;
    case "claim": return `claim of key ${digest!.slice(0, 12)}`;
    case "aside": case "scratch": case "log": return path;
  }
}

function total(removals: readonly Removal[]): string {
  const bytes = removals.reduce((sum, each) => sum + each.bytes, 0);
  return `${counted(removals.length, "piece")}, ${size(bytes)}`;
}
