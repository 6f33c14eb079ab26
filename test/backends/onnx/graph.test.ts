import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { GraphBuilder, microsoft } from "../../../backends/onnx/graph.js";

describe("GraphBuilder", () => {
  it("builds a model that ONNX Runtime runs, with attributes, initializers and Microsoft's operators", async () => {
    const graph = new GraphBuilder();
    const left = graph.input("left", "float32", ["n", 2]);
    const right = graph.initializer("right", Float32Array.of(1, 2, 3, 4), [2, 2]);
    const product = graph.node("FusedMatMul", [left, right], { transB: 1, alpha: { float: 0.5 } }, { domain: microsoft });
    graph.output(graph.node("Add", [product, graph.constant([10, 20])]), "result");
    const session = await InferenceSession.create(graph.build());
    const { result } = await session.run({ left: new Tensor(Float32Array.of(1, 1, 0, 2), [2, 2]) });
    expect([...(result!.data as Float32Array)]).toEqual([11.5, 23.5, 12, 24]);
  });

  it("leaves out what no output depends on", async () => {
    const graph = new GraphBuilder();
    const used = graph.input("used", "float32", []);
    const unused = graph.input("unused", "float32", []);
    graph.node("NoSuchOperator", [unused]);
    graph.output(used, "result");
    const session = await InferenceSession.create(graph.build());
    expect(session.inputNames).toEqual(["used"]);
  });

  it("returns every output of a node with several", async () => {
    const graph = new GraphBuilder();
    const halves = graph.multiple("Split", [graph.input("x", "float32", [4])], { num_outputs: 2 }, { outputs: 2 });
    graph.output(halves[1]!, "second");
    const session = await InferenceSession.create(graph.build());
    const { second } = await session.run({ x: new Tensor(Float32Array.of(1, 2, 3, 4), [4]) });
    expect([...(second!.data as Float32Array)]).toEqual([3, 4]);
  });

  it("stores equal constants once, and keeps infinity apart from null", () => {
    const graph = new GraphBuilder();
    expect(graph.constant(1)).toBe(graph.constant(1));
    expect(graph.constant(1)).not.toBe(graph.constant([1]));
    expect(graph.constant(Infinity)).not.toBe(graph.constant(-Infinity));
  });
});
