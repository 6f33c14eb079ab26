import { counted } from "../foundation/text.js";
import { stageBatches } from "../planner/batches.js";
import type { Decision } from "../planner/decide.js";
import { ppoDetails, type StageDetails } from "../planner/details.js";
import type { HeldModels } from "../planner/held-models.js";
import type { Plan } from "../schemas/plan.js";
import { duration, size, table, type Output } from "./output.js";
import { foldCopies, sweepText } from "./sweep-view.js";

type Colors = Pick<Output, "colors">;

/** What becomes of a plan's stages, for people; with `all` a line for every copy that a sweep makes. */
export function decisionsText(plan: Plan, decisions: ReadonlyMap<string, Decision>, all: boolean, { colors }: Colors): string {
  const words = { reuse: colors.green("reuse"), resume: colors.yellow("resume"), run: colors.cyan("run") };
  const decided = plan.stages.map(({ name, kind }) => ({ name, kind, ...decisions.get(name)! }));
  const rows = foldCopies(plan, decided, ({ name }) => name, ({ action }) => action, all).map(({ label, items }) => {
    const [{ kind, action, reason }] = items;
    return [label, kind, words[action], action === "reuse" ? "" : timeOf(items), items.every((item) => item.reason === reason) ? reason : `${reason}; and other reasons`];
  });
  return [
    table(["stage", "kind", "action", "time", "reason"], rows, [3]), "", ...(plan.sweep === undefined ? [] : [sweepText(plan.sweep, plan.stages)]), summary(plan, decisions),
  ].join("\n");
}

/** Seconds of several stages together; a question mark where one has no estimate. */
function timeOf(decided: readonly Decision[]): string {
  const seconds = decided.flatMap((each) => each.seconds ?? []);
  return seconds.length < decided.length ? "?" : duration(seconds.reduce((sum, each) => sum + each, 0));
}

/** What a plan's stages do and hold; with `all` of every copy that a sweep makes. */
export function settingsText(plan: Plan, held: readonly HeldModels[], all: boolean, output: Colors): string {
  const details = foldCopies(plan, ppoDetails(plan), ({ stage }) => stage, ({ preset, details: rows }) => JSON.stringify([preset, rows]), all);
  const batches = foldCopies(plan, stageBatches(plan), ({ stage }) => stage, ({ words }) => words, all);
  const models = foldCopies(plan, held, ({ stage }) => stage, ({ stage: _, ...rest }) => JSON.stringify(rest), all);
  const isShown = all || details.length <= mostDetails || plan.sweep === undefined;
  return [
    "", table(["stage", "what a step is"], batches.map(({ label, items: [{ words }] }) => [label, words])),
    ...(models.length === 0 ? [] : ["", table(["stage", "models", "parameters of the largest", "weights, gradients, moments"],
      models.map(({ label, items: [{ models: number, parameters, bytes }] }) => [label, String(number), count(parameters), size(bytes)]), [1, 2, 3])]),
    ...(isShown ? details.flatMap(({ label, items: [first] }) => ["", detailsTable({ ...first, stage: label }, output)])
      : ["", `The details of PPO come in ${details.length} settings: \`--all\` lists them.`]),
  ].join("\n");
}

/** Settings of PPO that are listed detail by detail without being asked for. */
const mostDetails = 2;

const mostChanges = 8;

/** Changes in one line; of those of a sweep's copies the first. */
export function fewOf(changes: readonly string[], { sweep }: Pick<Plan, "sweep">): string {
  return sweep === undefined || changes.length <= mostChanges ? changes.join("; ") : `${changes.slice(0, mostChanges).join("; ")}; and ${changes.length - mostChanges} more`;
}

/** A number of parameters for people: 52 k, 1.3 M, 7.2 G. */
function count(parameters: number): string {
  const [factor, unit] = parameters < 1e6 ? [1e3, "k"] : parameters < 1e9 ? [1e6, "M"] : [1e9, "G"];
  return `${Number((parameters / factor).toPrecision(2))} ${unit}`;
}

function summary(plan: Plan, decisions: ReadonlyMap<string, Decision>): string {
  const open = plan.stages.map(({ name }) => decisions.get(name)!).filter(({ action }) => action !== "reuse");
  if (open.length === 0) return `Nothing to do: ${plan.stages.length === 1 ? "the one stage has its result" : `all ${plan.stages.length} stages have results`}.`;
  const known = open.flatMap(({ seconds }) => seconds === undefined ? [] : [seconds]);
  const total = known.reduce((sum, seconds) => sum + seconds, 0);
  const time = known.length === 0 ? "no earlier run to estimate from"
    : known.length === open.length ? `about ${duration(total)}` : `about ${duration(total)}, and ${open.length - known.length} without an estimate`;
  return `${open.length} of ${counted(plan.stages.length, "stage")} to run: ${time}.`;
}

function detailsTable({ stage, preset, choice, details }: StageDetails, { colors }: Pick<Output, "colors">): string {
  const rows = details.map(({ number, name, on, setting }) => [number === undefined ? "–" : String(number), name, on ? colors.green("on") : "off", on ? setting : ""]);
  return `${stage}: details of PPO (numbers of figure 5 in the paper), preset ${preset}\n${table(["#", "detail", "", "setting"], rows, [0])}\nOf this preset, ${choice}.`;
}
