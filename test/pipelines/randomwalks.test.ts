import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { makeFiles, makeGraph, makeWalks } from "../../pipelines/randomwalks/generate.js";
import { createPlan } from "../../planner/plan.js";
import { moduleReward } from "../../schemas/reward.js";
import { startModule } from "../../training/rewards/module.js";

const folder = fileURLToPath(new URL("../../pipelines/randomwalks/", import.meta.url));
const graphSchema = z.object({ goal: z.string(), maxLength: z.number(), edges: z.record(z.string(), z.string()) });
type Graph = z.output<typeof graphSchema>;

/** The rewards of walks on a graph, by the module that the spec names. */
async function rewardsOf(walks: readonly string[], options: Graph): Promise<number[]> {
  const score = await startModule({ files: { reward: { path: join(folder, "reward.mjs") } }, phase: () => {}, atEnd: (end) => onTestFinished(end) }, moduleReward.parse({ module: "reward.mjs", options }), "reward");
  return score(walks.map((walk) => ({ prompt: [{ role: "user", content: walk[0]! }], answer: walk.slice(1), finished: true, tokens: walk.length, tags: {} })));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("the randomwalks task", () => {
  it("has the files that its generator makes", async () => {
    for (const [name, text] of Object.entries(makeFiles())) expect(await readFile(join(folder, name), "utf8"), name).toBe(text);
  });

  it("has a spec without faults, whose module gets the graph", async () => {
    const { stages } = await createPlan(join(folder, "randomwalks.json"));
    const options = graphSchema.parse(JSON.parse(await readFile(join(folder, "graph.json"), "utf8")));
    for (const name of ["ppo", "eval"]) expect(stages.find((stage) => stage.name === name)!.parameters["reward"]).toMatchObject({ module: "./reward.mjs", options });
  });

  it("rewards a walk by its length against the shortest: 1 for that, 0 for one that is too long, breaks an edge or does not arrive", async () => {
    // a is the goal; the shortest walks are dcba, cba, ba and eca… by way of c.
    const graph = { goal: "a", maxLength: 6, edges: { a: "a", b: "ad", c: "b", d: "c", e: "c" } };
    const walks = ["dcba", "ba", "bdcba", "bdcbdcba", "bca", "db", "dcb", "bazzz", "ecba"];
    expect(await rewardsOf(walks, graph)).toEqual([1, 1, 1 / 4, 0, 0, 0, 0, 1, 1]);
  });

  it("starts from random walks that are worth 0.34", async () => {
    const options = graphSchema.parse(JSON.parse(await readFile(join(folder, "graph.json"), "utf8")));
    expect(mean(await rewardsOf(makeWalks(makeGraph()), options))).toBeCloseTo(0.336, 3);
  });
});

const shared = join(process.env.TRUELINE_TEST_DATA ?? "../shared/data", "randomwalks");
const graph = await readFile(join(shared, "graph.json"), "utf8").then((text) => graphSchema.extend({ shortest: z.record(z.string(), z.number()) }).parse(JSON.parse(text)), () => undefined);

describe.skipIf(graph === undefined)(`trlX's own graph${graph === undefined ? ` (skipped: TRUELINE_TEST_DATA names no folder with randomwalks/graph.json)` : ""}`, () => {
  it("gives its random walks the mean reward of 0.3515, by shortest walks that are its own", async () => {
    const walks = (await readFile(join(shared, "walks.txt"), "utf8")).trim().split("\n");
    const rewards = await rewardsOf(walks, graph!);
    expect(mean(rewards)).toBeCloseTo(0.3515, 4);
    const { goal, maxLength, edges, shortest } = graph!;
    const lengthOf = (walk: string) => (walk.endsWith(goal) ? walk.length : maxLength);
    for (const [index, walk] of walks.entries()) {
      expect([...walk].every((node, at) => at === 0 || edges[walk[at - 1]!]!.includes(node)), walk).toBe(true);
      expect(rewards[index], walk).toBeCloseTo((maxLength - lengthOf(walk)) / (maxLength - shortest[walk[0]!]!), 12);
    }
  });
});
