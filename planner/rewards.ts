import type { JSONPath } from "jsonc-parser";
import { z } from "zod";
import type { RewardSpec } from "../schemas/reward.js";
import type { StageSpec } from "../schemas/spec.js";
import type { Reference } from "./draft.js";
import { membersOf } from "./members.js";

type Json = z.output<ReturnType<typeof z.json>>;

/** A part of a reward as written, whatever it is: where it stands in the field, and what the plan calls the input that it reads. */
interface WrittenTerm {
  readonly way: JSONPath;
  readonly input: string;
  readonly value: unknown;
}

function writtenTerms(reward: unknown): WrittenTerm[] {
  return [{ way: [], input: "reward", value: reward }];
}

/** The reward models that a reward names, where it is more than a name. */
export function rewardReferences(reward: unknown): Pick<Reference, "way" | "input" | "name">[] {
  return writtenTerms(reward).flatMap(({ way, input, value }) => typeof value === "string" ? [{ way, input, name: value }] : []);
}

/** The modules that a reward names. */
export function rewardModules(reward: unknown): { readonly way: JSONPath; readonly input: string; readonly path: string }[] {
  return writtenTerms(reward).flatMap(({ way, input, value }) => {
    const path = membersOf(value)["module"];
    return typeof path === "string" ? [{ way: [...way, "module"], input, path }] : [];
  });
}

/** What of a stage's reward is part of its key: nothing of a name, which counts by what it refers to. */
export function decisiveReward(stage: StageSpec): { readonly reward?: Json } {
  if (!("reward" in stage) || stage.reward === undefined || typeof stage.reward === "string") return {};
  return { reward: decisive(stage.reward) };
}

/** What decides the scores, and not how they are obtained. A module counts by its file. */
function decisive(reward: Exclude<RewardSpec, string>): Json {
  if ("module" in reward) {
    const { module: _, timeLimit: _time, memory: _memory, ...rest } = reward;
    return jsonOf({ module: rest });
  }
  const { secret: _, timeout: _timeout, retries: _retries, concurrency: _concurrency, batch: _batch, ...rest } = reward;
  return jsonOf(rest);
}

/** As plain JSON, members that are undefined left out. */
const jsonOf = (value: object): Json => z.json().parse(JSON.parse(JSON.stringify(value)));
