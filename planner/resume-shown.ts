import { digestOf } from "../foundation/canonical.js";
import { digestNow, refuseChanged, sourcesOf, type Source } from "../models/sources.js";
import type { Standing } from "../store/standing.js";
import { willCompute, type Resumption } from "./resume.js";
import type { ShownParts } from "./resume-token.js";

/** A data file or model directory of a stage that will compute, with the digest that it has now. */
export type PresentSource = Source & { readonly now: string | undefined };

/** Digests what the stages that will compute read from outside the store; each path once. */
export async function presentSources({ plan, stages }: Pick<Resumption, "plan" | "stages">): Promise<PresentSource[]> {
  const computed = new Set(stages.filter(({ fate }) => willCompute(fate)).map(({ name }) => name));
  const sources = new Map<string, Source>();
  for (const { name, inputs } of plan.stages) {
    if (!computed.has(name)) continue;
    for (const [field, input] of Object.entries(inputs)) for (const source of sourcesOf(field, input)) sources.set(`${source.kind} ${source.path}`, source);
  }
  const found: PresentSource[] = [];
  for (const source of sources.values()) found.push({ ...source, now: await digestNow(source) });
  return found;
}

/** Errors: TL_STAGE_INPUT_CHANGED for the first source that is not what the plan was made with. */
export function refuseChangedSources(sources: readonly PresentSource[]): void {
  for (const source of sources) refuseChanged(source, source.now);
}

/** Everything that a preview shows, or that decides what it shows, for its token. `asked`: options of the command. */
export function shownParts({ plan, stages, standings, head, setAside }: Resumption, sources: readonly PresentSource[], asked: Readonly<Record<string, string | undefined>>): ShownParts {
  return new Map<string, string>([
    ...Object.entries(asked).map(([name, value]): [string, string] => [`the option --${name}`, value ?? ""]),
    ["the run's ledger", head],
    ["the spec's text", plan.specDigest],
    ...sources.map(({ path, name, now }): [string, string] => [`${path}, ${name}`, now ?? "not there"]),
    ...stages.map(({ name, key, fate }): [string, string] => [`what becomes of stage ${name}`, digestOf({
      key, fate, standing: standingDigest(standings.get(name)), aside: setAside.some((stage) => stage.name === name),
    })]),
    ["the plan", digestOf(plan)],
  ]);
}

function standingDigest(standing: Standing | undefined): string {
  switch (standing?.action) {
    case "reuse": return standing.result.artifact;
    case "resume": return standing.checkpoint.digest;
    case "run": case undefined: return "";
  }
}
