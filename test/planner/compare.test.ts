import { describe, expect, it } from "vitest";
import { alignedCurves, compareRuns, type Side, type SideResult } from "../../planner/compare.js";
import { sha256 } from "../../foundation/canonical.js";
import type { LedgerEvent } from "../../schemas/events.js";
import type { MetricsLine } from "../../schemas/report.js";
import { pipeline, planOf } from "./pipeline.js";

type Change = Parameters<typeof pipeline>[0];

function side(label: string, change?: Change, results: Readonly<Record<string, Partial<SideResult>>> = {}, events: readonly LedgerEvent[] = []): Side {
  const spec = pipeline(change);
  return {
    label, plan: { ...planOf(spec), spec: JSON.stringify(spec) },
    entries: events.map((event, sequence) => ({ run: label, sequence, at: "2026-01-01T00:00:00.000Z", previous: sha256("p"), hash: sha256("h"), event })),
    results: new Map(Object.entries(results).map(([name, result]) => [name, { artifact: sha256(`${label}${name}`), figures: {}, metrics: [], ...result }])),
  };
}

const computed = (threads: number, trueline: string): LedgerEvent[] => [
  { type: "run-submitted", name: "demo", specPath: "/s", specDigest: sha256("s"), planDigest: sha256("p"), actor: "a", versions: { trueline } },
  { type: "stage-started", stage: "sft", key: sha256("k"), attempt: 1, worker: { pid: 1, host: "h" }, inputs: {}, environment: { backend: "onnx", device: "cpu", threads, versions: { node: "20" } } },
];

const stageIn = (comparison: ReturnType<typeof compareRuns>, name: string) => comparison.stages.find((stage) => stage.name === name)!;

describe("a comparison", () => {
  it("of a run with itself finds nothing, unless all is asked for", () => {
    const comparison = compareRuns(side("a"), side("a"));
    expect(comparison).toMatchObject({ spec: [], data: [], environment: [] });
    expect(comparison.stages.every(({ standing }) => standing === "same-key")).toBe(true);
    const all = compareRuns(side("a"), side("a"), { all: true });
    expect(all.spec.map(({ name }) => name)).toEqual(expect.arrayContaining(["seed", "models.tiny.layers", "stages.ppo.tricks.gae.lambda"]));
    expect(all.data.map(({ name }) => name)).toEqual(["hh", "book"].flatMap((name) => ["format", "path", "digest", "holdout", "maxBadShare"].map((field) => `${name}.${field}`)));
  });

  it("lists fields of the spec by path, resolved ones too, and what follows downstream by key", () => {
    const comparison = compareRuns(side("a"), side("b", (spec) => {
      spec["seed"] = 8;
      spec.models["tiny"]!["layers"] = 3;
      spec.stages["ppo"]!["preset"] = "vanilla";
      spec.stages["ppo"]!["tricks"] = { klPenalty: { coefficient: 0.1 } };
    }));
    expect(comparison.spec).toEqual(expect.arrayContaining([
      { name: "seed", before: 7, now: 8 }, { name: "models.tiny.layers", before: 2, now: 3 },
      { name: "stages.ppo.tricks.klPenalty.coefficient", stage: "ppo", before: 0.05, now: 0.1 }, { name: "stages.ppo.preset", stage: "ppo", before: "ppo-max", now: "vanilla" },
    ]));
    expect(comparison.stages.map(({ standing }) => standing)).toEqual(comparison.stages.map(() => "differs"));
  });

  it("tells data by name and content, and environments by every value they had", () => {
    const comparison = compareRuns(side("a", undefined, {}, computed(2, "0.1.0")), side("b", ({ data }) => { data["book"]!["path"] = "other.txt"; }, {}, [...computed(2, "0.1.0"), ...computed(4, "0.2.0")]));
    expect(comparison.data).toEqual([
      { name: "book.path", before: "/data/book.txt", now: "/data/other.txt" }, { name: "book.digest", before: sha256("book.txt"), now: sha256("other.txt") },
    ]);
    expect(comparison.environment).toEqual([{ name: "trueline", before: "0.1.0", now: "0.1.0, 0.2.0" }, { name: "threads", before: "2", now: "2, 4" }]);
  });

  it("puts figures side by side with their difference, and says of equal bytes that they are", () => {
    const longer: Change = ({ stages }) => { stages["ppo"]!["steps"] = 100; };
    const comparison = compareRuns(
      side("a", undefined, { ppo: { figures: { "objective/kl": 3, old: 1 } }, eval: { artifact: sha256("same") } }),
      side("b", longer, { ppo: { figures: { "objective/kl": 2.5 } }, eval: { artifact: sha256("same") } }));
    expect(stageIn(comparison, "ppo").figures).toEqual([
      { name: "objective/kl", before: 3, now: 2.5, difference: -0.5 }, { name: "old", before: 1, now: undefined, difference: undefined },
    ]);
    expect([stageIn(comparison, "sft"), stageIn(comparison, "ppo"), stageIn(comparison, "eval")].map(({ standing }) => standing)).toEqual(["same-key", "differs", "same-bytes"]);
  });

  it("takes two stages of other settings for the same only by what they left, which none of these has", () => {
    const longer: Change = ({ stages }) => { stages["ppo"]!["steps"] = 100; };
    const unfinished = { ppo: { artifact: undefined, step: 5 } };
    expect(stageIn(compareRuns(side("a", undefined, unfinished), side("b", longer, unfinished)), "ppo")).toMatchObject({ standing: "differs", steps: { before: 5, now: 5 } });
  });

  it("has no curves of what is the same, and those of all else", () => {
    const left = (artifact: string) => ({ ppo: { metrics: [{ step: 1, kl: 2 }] }, eval: { artifact: sha256(artifact), metrics: [{ step: 1, kl: 2 }] } });
    const longer: Change = ({ stages }) => { stages["ppo"]!["steps"] = 100; };
    const comparison = compareRuns(side("a", undefined, left("same")), side("b", longer, left("same")));
    expect([stageIn(comparison, "ppo").curves, stageIn(comparison, "eval").curves]).toEqual([[{ metric: "kl", points: [[1, 2, 2]] }], []]);
  });

  it("pairs stages by name, or as told, and knows of those that only one side has", () => {
    const other: Change = ({ stages }) => { stages["ppo-long"] = { ...stages["ppo"], steps: 100 }; delete stages["ppo"]; stages["eval"]!["candidate"] = "ppo-long"; };
    const loose = compareRuns(side("a"), side("b", other));
    expect([stageIn(loose, "ppo").standing, stageIn(loose, "ppo-long").standing]).toEqual(["one", "one"]);
    const told = compareRuns(side("a"), side("b", other), { named: [["ppo", "ppo-long"]] });
    expect(told.stages.map(({ name }) => name)).toEqual(["bpe", "base", "sft", "rm", "critic", "ppo = ppo-long", "eval"]);
    expect(told.spec).toContainEqual({ name: "stages.ppo = ppo-long.steps", stage: "ppo = ppo-long", before: 80, now: 100 });
  });
});

describe("aligned curves", () => {
  it("have the steps and metrics that both sides have", () => {
    const before: MetricsLine[] = [{ step: 1, kl: 1 }, { step: 2, kl: 2 }, { step: 4, kl: 4 }];
    before[1]!["loss"] = 5;
    const now: MetricsLine[] = [{ step: 1, kl: 10 }, { step: 3, kl: 30 }, { step: 4, kl: 40 }];
    now[2]!["gold"] = 1;
    expect(alignedCurves(before, now)).toEqual([{ metric: "kl", points: [[1, 1, 10], [4, 4, 40]] }]);
  });
});
