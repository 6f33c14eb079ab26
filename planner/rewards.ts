import type { JSONPath } from "jsonc-parser";
import { z } from "zod";
import { combinedOf, termInput, termsOf, type RewardSpec, type RewardTerm } from "../schemas/reward.js";
import type { StageSpec } from "../schemas/spec.js";
import type { DraftStage, Reference } from "./draft.js";
import type { Fault } from "./fault.js";
import { membersOf } from "./members.js";

type Json = z.output<ReturnType<typeof z.json>>;

/** A part of a reward as written, whatever it is: where it stands in the field, and what the plan calls the input that it reads. */
interface WrittenTerm {
  readonly way: JSONPath;
  readonly input: string;
  readonly value: unknown;
}

function writtenTerms(reward: unknown): WrittenTerm[] {
  const { terms } = membersOf(reward);
  if (Array.isArray(reward)) return reward.map((value: unknown, index) => ({ way: [index], input: termInput(index), value }));
  if (Array.isArray(terms)) return terms.map((value: unknown, index) => ({ way: ["terms", index], input: termInput(index), value }));
  return [{ way: [], input: "reward", value: reward }];
}

/** The reward models that a reward names, where it is more than a name. */
export function rewardReferences(reward: unknown): Pick<Reference, "way" | "input" | "name">[] {
  return writtenTerms(reward).flatMap(({ way, input, value }) => {
    if (typeof value === "string") return [{ way, input, name: value }];
    const { from } = membersOf(value);
    return typeof from === "string" ? [{ way: [...way, "from"], input, name: from }] : [];
  });
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
  const combination = combinedOf(stage.reward);
  const terms = termsOf(stage.reward).map(decisive).map((term) => ("weight" in term && term.weight === 1 ? without(term, ["weight"]) : term));
  return { reward: jsonOf(combination === undefined ? terms[0] : { ...combination, terms }) };
}

/** What decides a term's scores, and not how they are obtained. Models and modules count as inputs. */
function decisive(term: RewardTerm): object {
  if (typeof term === "string") return {};
  if ("from" in term) return without(term, ["from"]);
  if ("module" in term) return without({ ...term, is: "module" }, ["module", "timeLimit", "memory"]);
  if ("judge" in term) return { ...term, judge: without(term.judge, howAsked) };
  return without(term, [...howAsked, "batch"]);
}

const howAsked = ["secret", "timeout", "retries", "concurrency"];

function without(members: object, left: readonly string[]): object {
  return Object.fromEntries(Object.entries(members).filter(([name]) => !left.includes(name)));
}

/** As plain JSON, members that are undefined left out. */
const jsonOf = (value: unknown): Json => z.json().parse(JSON.parse(JSON.stringify(value)));

/** Settings of a reward that contradict each other, or that its stage can't use. */
export function rewardFaults({ name: stage }: DraftStage, reward: RewardSpec, kind: StageSpec["kind"]): Fault[] {
  const combination = combinedOf(reward);
  const terms = termsOf(reward);
  const wayTo = (index: number): JSONPath => (combination === undefined ? [] : Array.isArray(reward) ? [index] : ["terms", index]);
  const fault = (way: JSONPath, message: string, hint: string): Fault => ({ code: "TL_SPEC_CONFLICT", path: ["stages", stage, "reward", ...way], message, hint });
  const names = terms.map((term) => (typeof term === "object" && "name" in term ? term.name : undefined));
  return [
    ...(combination?.deviations !== undefined && combination.combine !== "mean-minus-std"
      ? [fault(["deviations"], `\`deviations\` says how much \`mean-minus-std\` takes off, and \`combine\` is \`${combination.combine}\``, "leave it out")] : []),
    ...terms.flatMap((term, index): Fault[] => {
      if (typeof term === "string") return [];
      const way = wayTo(index);
      return [
        ...("weight" in term && term.weight !== undefined && combination?.combine !== "sum"
          ? [fault([...way, "weight"], `a \`weight\` counts in a sum, and \`combine\` is \`${String(combination?.combine)}\``, "leave it out, or write `\"combine\": \"sum\"`")] : []),
        ...(names[index] !== undefined && names.indexOf(names[index]) < index ? [fault([...way, "name"], `two terms are named \`${names[index]}\``, "rename one of them")] : []),
        ...("judge" in term && term.judge.scale.low >= term.judge.scale.high
          ? [fault([...way, "judge", "scale"], `\`low\` is ${term.judge.scale.low} and \`high\` ${term.judge.scale.high}`, "`high` is what the best answer gets")] : []),
        ...("judge" in term && term.judge.prompt !== undefined && !term.judge.prompt.includes("{answer}")
          ? [fault([...way, "judge", "prompt"], "the `prompt` does not show the answer that is to be judged", "write {answer} where it belongs, and {dialogue} for what it answers")] : []),
        ...("judge" in term && typeof term.judge.unreadable === "number" && (term.judge.unreadable < term.judge.scale.low || term.judge.unreadable > term.judge.scale.high)
          ? [fault([...way, "judge", "unreadable"], `${term.judge.unreadable} is no number of the scale`, `write one from ${term.judge.scale.low} to ${term.judge.scale.high}, or "fail"`)] : []),
        ...((kind === "evaluate" || kind === "preferences") && "normalize" in term && term.normalize !== undefined && "answers" in term.normalize
          ? [fault([...way, "normalize"], "a stage that trains nothing has no first step before which scores could be measured", "write `mean` and `std`, or leave it out")] : []),
      ];
    }),
  ];
}

/** Terms on other scales than those that they are compared with. */
export function rewardWarnings(reward: RewardSpec): string[] {
  const combination = combinedOf(reward);
  if (combination === undefined || combination.combine === "sum") return [];
  const isNormalized = (term: RewardTerm): boolean => typeof term === "string" || "from" in term || term.normalize !== undefined;
  const [raw, normalized] = [combination.terms.filter((term) => !isNormalized(term)), combination.terms.filter(isNormalized)];
  return raw.length > 0 && normalized.length > 0
    ? [`\`combine\` is ${combination.combine}, and ${raw.length} of its ${combination.terms.length} terms are not normalised while the others are: give them a \`normalize\``] : [];
}
