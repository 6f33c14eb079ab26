import type { Fate, Resumption, StageFate } from "../planner/resume.js";
import { computes } from "../planner/resume.js";
import { duration, table, type Output } from "./output.js";
import { fewOf } from "./plan-view.js";
import { foldCopies } from "./sweep-view.js";

/** What a resume will do with each stage, as a table for people, and what that keeps and loses. */
export function resumptionText(resumption: Resumption, { colors }: Pick<Output, "colors">): string {
  const { plan, stages, changes } = resumption;
  const rows = foldCopies(plan, stages, ({ name }) => name, ({ fate, step }) => `${fate} ${step}`).map(({ label, items }) => {
    const [stage] = items;
    const ahead = items.flatMap(({ secondsAhead }) => secondsAhead ?? []);
    return [
      label, stage.kind, words[stage.fate](stage, colors), time(total(items, "secondsKept")), time(total(items, "secondsLost")),
      ahead.length < items.length ? "" : duration(ahead.reduce((sum, each) => sum + each, 0)), stage.reason,
    ];
  });
  return [
    table(["stage", "kind", "", "kept", "lost", "to do", "reason"], rows, [3, 4, 5]),
    "", resumptionSummary(resumption),
    ...(changes === undefined ? [] : [`Changed: ${fewOf(changes, plan) || "nothing that counts"}.`]),
  ].join("\n");
}

/** The same for machines. */
export function resumptionJson({ plan, stages, changes, only, setAside }: Resumption): object {
  return {
    plan: { specPath: plan.specPath, specDigest: plan.specDigest, changes: changes ?? null },
    ...(only !== undefined && { only }),
    setAside: setAside.map(({ name }) => name),
    secondsKept: total(stages, "secondsKept"), secondsLost: total(stages, "secondsLost"),
    stages,
  };
}

type Colors = Output["colors"];

const words: Readonly<Record<Fate, (stage: StageFate, colors: Colors) => string>> = {
  kept: (_, { green }) => green("kept"),
  continues: ({ step }, { yellow }) => yellow(`goes on from step ${step}`),
  anew: (_, { cyan }) => cyan("runs anew"),
  new: (_, { cyan }) => cyan("new"),
  runs: (_, { cyan }) => cyan("runs"),
  waits: () => "waits",
  dropped: (_, { red }) => red("dropped"),
};

/** The compute that is kept and lost, in a sentence. */
export function resumptionSummary(resumption: Resumption): string {
  const { stages, setAside } = resumption;
  const lost = total(stages, "secondsLost");
  const stay = lost === 0 ? "" : setAside.length > 0 ? " (set aside in the store)" : " (it stays in the store: resuming with the former spec finds it)";
  return [
    `Compute that is kept: ${duration(total(stages, "secondsKept"))}; no longer used: ${lost === 0 ? "none" : duration(lost)}${stay}.`,
    ...(computes(resumption) ? [] : ["Nothing is left to compute."]),
  ].join(" ");
}

function total(stages: readonly StageFate[], member: "secondsKept" | "secondsLost"): number {
  return stages.reduce((sum, stage) => sum + stage[member], 0);
}

const time = (seconds: number): string => seconds === 0 ? "" : duration(seconds);
