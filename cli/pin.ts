import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { pinsOf, type Pin } from "../store/pins.js";
import { actor } from "./actor.js";
import { defineCommand, jsonOption } from "./command.js";
import { moment } from "./output.js";
import { reasonOption } from "./order.js";
import { openStore } from "./store.js";

/** `trueline pin RUN[/STAGE]`: keeps a run or one stage's artifact from `gc`. */
export const pinCommand = defineCommand({
  name: "pin",
  arguments: "<run[/stage]>",
  summary: "keep a run, or one stage's artifact, from gc",
  details: "The pin is a line of the run's ledger, with who set it, when and why.",
  examples: ["trueline pin hh-ppo-max-20260101-k3v9qz/ppo --reason \"in the paper\"", "trueline pin hh-ppo-max-20260101-k3v9qz"],
  options: { json: jsonOption, reason: reasonOption },
  run: ({ arguments: [name = ""], options, output }) => setPin("pinned", name, options.reason, (done) => {
    if (options.json) output.json(done);
    else output.data(`gc leaves ${name} alone. Take the pin away with: trueline unpin ${name}`);
  }),
});

/** `trueline unpin RUN[/STAGE]`: takes a pin away. */
export const unpinCommand = defineCommand({
  name: "unpin",
  arguments: "<run[/stage]>",
  summary: "take a pin away",
  examples: ["trueline unpin hh-ppo-max-20260101-k3v9qz/ppo"],
  options: { json: jsonOption, reason: reasonOption },
  run: ({ arguments: [name = ""], options, output }) => setPin("unpinned", name, options.reason, (done) => {
    if (options.json) output.json(done);
    else output.data(`${name} is no longer pinned.`);
  }),
});

async function setPin(type: "pinned" | "unpinned", name: string, reason: string | undefined, tell: (done: object) => void): Promise<undefined> {
  const store = openStore();
  const [run = "", stage] = name.split("/", 2);
  const { stages } = await store.runs.plan(run);
  if (stage !== undefined && !stages.some((each) => each.name === stage)) {
    throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `Run ${run} has no stage ${stage}.`, { hint: suggestion(stage, stages.map((each) => each.name)) });
  }
  const isPinned = pinsOf(await store.ledger.read(run)).some((pin) => pin.stage === stage);
  if (type === "unpinned" && !isPinned) throw new TruelineError("TL_STORE_MISSING", `${name} is not pinned.`, { hint: "`trueline gc` lists the pins." });
  if (type === "unpinned" || !isPinned) {
    await store.ledger.append(run, { type, ...(stage !== undefined && { stage }), actor: actor(), ...(reason !== undefined && { reason }) });
  }
  tell({ run, stage, pinned: type === "pinned" });
  return undefined;
}

/** A pin in words. */
export function pinText({ run, stage, actor: by, at, reason }: Pin): string {
  return `pinned: ${run}${stage === undefined ? "" : `/${stage}`}, by ${by}, ${moment(at)}${reason === undefined ? "" : `, because: ${reason}`}`;
}
