import type { GraphBuilder, Value } from "./graph.js";

/** Takes gradients while an operation is differentiated. */
export interface Flow {
  /**
   * Adds to the gradient of a value. `contribute` gets what is there so far, to be added in the same node where an
   * operator can; it is not called when no gradient of this value is wanted.
   */
  add(value: Value, contribute: (sum: Value | undefined) => Value): void;
  /** Sets the gradient of rows picked from a table, once a table; whoever runs the graph knows which, and adds them up. */
  addRows(table: Value, rows: Value): void;
}

interface Step {
  readonly outputs: readonly Value[];
  /** Emits the vector-Jacobian product; a gradient is undefined where nothing depends on that output. */
  readonly backward: (gradients: readonly (Value | undefined)[], flow: Flow) => void;
}

/** Gradients that a tape found: whole arrays, and rows yet to be added to a table. */
export interface Gradients {
  readonly dense: ReadonlyMap<string, Value>;
  readonly rows: ReadonlyMap<string, Value>;
}

/** Remembers a graph's operations in order, and emits their derivatives in reverse. */
export class Tape {
  private readonly steps: Step[] = [];
  private readonly differentiable = new Set<string>();

  constructor(readonly graph: GraphBuilder) {}

  /** Marks a value as one whose gradient is wanted. */
  watch(value: Value): Value {
    this.differentiable.add(value.name);
    return value;
  }

  /** Notes an operation unless no wanted gradient passes through it. */
  record(outputs: readonly Value[], inputs: readonly (Value | undefined)[], backward: Step["backward"]): void {
    if (!inputs.some((input) => input !== undefined && this.differentiable.has(input.name))) return;
    outputs.forEach((output) => this.differentiable.add(output.name));
    this.steps.push({ outputs, backward });
  }

  /** Like `record`, for an operation of one output, which it returns. `backward` is called only with a gradient. */
  recordOne(output: Value, inputs: readonly (Value | undefined)[], backward: (gradient: Value, flow: Flow) => void): Value {
    this.record([output], inputs, ([gradient], flow) => {
      if (gradient !== undefined) backward(gradient, flow);
    });
    return output;
  }

  /** Emits the gradients of all watched values, given those of the outputs. */
  gradients(seeds: readonly (readonly [Value, Value])[]): Gradients {
    const dense = new Map<string, Value>();
    const rows = new Map<string, Value>();
    const flow: Flow = {
      add: (value, contribute) => {
        if (this.differentiable.has(value.name)) dense.set(value.name, contribute(dense.get(value.name)));
      },
      addRows: (table, added) => {
        if (this.differentiable.has(table.name)) rows.set(table.name, added);
      },
    };
    for (const [value, seed] of seeds) flow.add(value, (sum) => sumOf(this.graph, sum, seed));
    for (const { outputs, backward } of [...this.steps].reverse()) {
      const gradients = outputs.map((output) => dense.get(output.name));
      if (gradients.some((gradient) => gradient !== undefined)) backward(gradients, flow);
    }
    return { dense, rows };
  }
}

/** The sum of what there is so far and one more. */
export function sumOf(graph: GraphBuilder, sum: Value | undefined, added: Value): Value {
  return sum === undefined ? added : graph.node("Add", [sum, added]);
}

/** The sum over the first axis. */
export function sumOfRows({ graph }: Tape, rows: Value): Value {
  return graph.node("ReduceSum", [rows, graph.constant([0], "int64")], { keepdims: 0 });
}
