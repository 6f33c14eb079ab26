import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { randomAt } from "../../foundation/random.js";
import { buildPlan } from "../../planner/build-plan.js";
import { constraintFaults } from "../../planner/constraints.js";
import { ppoDetails } from "../../planner/details.js";
import { draftOf } from "../../planner/draft.js";
import { collectFacts } from "../../planner/facts.js";
import { diagnose, diagnosticText } from "../../planner/fault.js";
import { interpretSpec } from "../../planner/read-spec.js";
import { referenceFaults } from "../../planner/references.js";
import { warningsOf } from "../../planner/warnings.js";
import { planSchema } from "../../schemas/plan.js";
import { factsFor, hhRow, pipeline } from "../planner/pipeline.js";
import { jsonOf, mutateText, mutateValue } from "./mutate.js";

const pipelines = fileURLToPath(new URL("../../pipelines/", import.meta.url));

/** Every spec that ships, and one that uses what they do not. */
export async function baseSpecs(): Promise<unknown[]> {
  const names = (await readdir(pipelines)).filter((name) => name.endsWith(".json")).sort();
  const shipped = await Promise.all(names.map(async (name): Promise<unknown> => JSON.parse(await readFile(join(pipelines, name), "utf8"))));
  return [...shipped, pipeline((spec) => {
    spec["approval"] = { before: ["ppo", "eval"], question: "Go on?", within: "24h" };
    spec["deadline"] = "2d";
    spec["notify"] = [{ url: "https://example.org/hook", on: ["run-failed"], secret: "HOOK_SECRET" }];
    spec.stages["sft"]!["deadline"] = "6h";
    spec.stages["eval"]!["baseline"] = { answers: "answers.jsonl" };
    spec.models["given"] = { path: "model" };
  })];
}

/** The text of the mutated spec that a seed and a number stand for: seven of eight in their members, every fourth in its text. */
export function mutatedSpec(bases: readonly unknown[], seed: number, number: number): string {
  const random = randomAt(seed, "spec", number);
  const base = random.pick(bases);
  const value = random.integer(8) === 0 ? base : mutateValue(random, base);
  const text = jsonOf(value, random.integer(2) * 2);
  return random.integer(4) === 0 ? mutateText(random, text) : text;
}

/** Fills a folder with what the base specs name, and with what a mutation may lead to. */
export async function specFolder(folder: string): Promise<string> {
  await mkdir(join(folder, "model"), { recursive: true });
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
  await writeFile(join(folder, "answers.jsonl"), "{\"prompt\":\"a\",\"response\":\"b\"}\n");
  await writeFile(join(folder, "model", "config.json"), "{");
  await symlink("/dev/zero", join(folder, "sft"));
  await symlink(join(folder, "rm"), join(folder, "rm"));
  return folder;
}

/** What came of a spec, or in words what no spec may bring about. */
export type Outcome = "plan" | "faults" | { readonly wrong: string };

/** Checks a spec as `createPlan` does. `folder`: where its files are looked for; without one they are made up. */
export async function outcomeOf(text: string, folder?: string): Promise<Outcome> {
  try {
    const { source, value, spec, sweep, faults: form, place } = interpretSpec("spec.json", text);
    const draft = draftOf(value);
    const { facts, faults: outside } = folder === undefined
      ? { facts: factsFor({ data: Object.fromEntries([...draft.data].map(([name, entry]) => [name, { path: entry?.path ?? "" }])) }), faults: [] }
      : await collectFacts(draft, { specPath: join(folder, "spec.json"), allowPaths: [] });
    const diagnostics = diagnose(source, [...form, ...place([...outside, ...referenceFaults(draft, facts), ...constraintFaults(draft, facts)])]);
    warningsOf(draft, facts);
    for (const diagnostic of diagnostics) {
      if (/undefined|\[object|NaN/.test(diagnosticText({ ...diagnostic, frame: "" })) && !/undefined|NaN/.test(text)) return { wrong: `a diagnostic that says nothing: ${diagnostic.message}` };
      if (!(diagnostic.line > 0 && diagnostic.column > 0)) return { wrong: `a diagnostic without a place: ${diagnostic.message}` };
    }
    if (spec === undefined && diagnostics.length === 0) return { wrong: "neither a spec nor a fault" };
    if (diagnostics.length > 0 || spec === undefined) return "faults";
    // A model whose directory was not looked at has no plan.
    if ([...draft.paths.models.keys()].some((name) => !facts.models.has(name)) || [...draft.stages.values()].some((stage) => stage?.kind === "evaluate" && typeof stage.written["baseline"] === "object" && !facts.answers.has(stage.name))) return "faults";
    const plan = buildPlan({ spec, draft, facts, specPath: "/spec.json", text, sweep });
    ppoDetails(plan);
    return planSchema.safeParse(JSON.parse(JSON.stringify(plan))).success ? "plan" : { wrong: "a plan that its own schema refuses" };
  } catch (error) {
    return { wrong: error instanceof Error ? error.stack ?? error.message : String(error) };
  } finally {
    if ("a" in {} || Object.keys(Object.prototype).length > 0) throw new Error(`Object.prototype was changed by ${text}`);
  }
}
