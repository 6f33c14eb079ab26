import type { BinaryOperation, Expression, Sum, UnaryOperation } from "../expressions.js";
import type { ElementType, Value } from "./graph.js";
import type { HeadValues } from "./decoder.js";
import type { PackedInputs } from "./packing.js";
import type { Tape } from "./tape.js";

/** Sums whose numbers were taken out: constants and clip bounds hold the place of theirs among `constants`. */
export interface Template {
  readonly sums: readonly Sum[];
  readonly constants: readonly number[];
}

/** Takes the numbers out of expressions, so that one graph serves all weights, coefficients and bounds. */
export function templateOf(sums: readonly Sum[]): Template {
  const constants: number[] = [];
  const slot = (value: number): number => constants.push(value) - 1;
  const lift = (expression: Expression): Expression => {
    if ("left" in expression) return { ...expression, left: lift(expression.left), right: lift(expression.right) };
    if (expression.op === "constant") return { op: "constant", value: slot(expression.value) };
    if (expression.op === "clip") return { ...expression, of: lift(expression.of), low: slot(expression.low), high: slot(expression.high) };
    return "of" in expression ? { ...expression, of: lift(expression.of) } : expression;
  };
  return { sums: sums.map((sum) => sum.map(lift)), constants };
}

/** The array of zeros that row sums are in a batch without tokens. */
export const noTokens = "no tokens";

/** A term over rows for a batch without tokens, of which ONNX Runtime can gather nothing: row sums are given as zeros. */
export function withoutTokens(term: Expression): Expression {
  if ("left" in term) return { ...term, left: withoutTokens(term.left), right: withoutTokens(term.right) };
  if (term.op === "rowSums") return { op: "given", name: noTokens, over: "rows" };
  return "of" in term ? { ...term, of: withoutTokens(term.of) } : term;
}

/** Name of the graph input that takes a given array. */
export const givenName = (array: string): string => `given.${array}`;
/** Name of the graph input that takes a template's constants. */
export const constantsName = "constants";

/** Emits expressions as differentiable nodes over [m] (tokens) or [b] (rows). */
export class ExpressionCompiler {
  private readonly given = new Map<string, Value>();
  private readonly constants: Value;

  constructor(private readonly tape: Tape, private readonly heads: HeadValues, private readonly inputs: Pick<PackedInputs, "rowsOfTargets">) {
    this.constants = tape.graph.input(constantsName, "float32", ["constants"]);
  }

  /** The sum of terms as a float64 scalar, and the terms with their gradients for `Tape.gradients`. */
  sum(terms: Sum): { readonly total: Value; readonly seeds: readonly (readonly [Value, Value])[] } {
    const { graph } = this.tape;
    const compiled = terms.map((term) => this.compile(term));
    const total = compiled
      .map((term) => graph.node("ReduceSum", [this.cast(term, "float64")], { keepdims: 0 }))
      .reduce((sum, term) => graph.node("Add", [sum, term]), graph.constant(0, "float64"));
    const seeds = compiled.map((term) => {
      const shape = graph.node("Shape", [term], {}, { type: "int64" });
      return [term, graph.node("Expand", [graph.constant(1), shape])] as const;
    });
    return { total, seeds };
  }

  private compile(expression: Expression): Value {
    switch (expression.op) {
      case "logProbabilities": return this.heads.languageModel().logProbabilities;
      case "entropy": return this.heads.languageModel().entropy;
      case "values": return this.heads.values();
      case "scores": return this.heads.scores();
      case "given": return this.array(expression.name, expression.over === "tokens" ? "m" : "b");
      case "constant": return this.constant(expression.value);
      case "clip": return this.clip(this.compile(expression.of), this.constant(expression.low), this.constant(expression.high));
      case "take": return this.take(this.compile(expression.of), this.array(expression.indices, "b"));
      case "rowSums": return this.rowSums(this.compile(expression.of));
      case "add": case "subtract": case "multiply": case "divide": case "maximum": case "minimum": case "greater":
        return this.binary(expression.op, this.compile(expression.left), this.compile(expression.right));
      default: return this.unary(expression.op, this.compile(expression.of));
    }
  }

  private array(name: string, size: string): Value {
    const known = this.given.get(name) ?? this.tape.graph.input(givenName(name), "float32", [size]);
    this.given.set(name, known);
    return known;
  }

  private constant(slot: number): Value {
    return this.tape.graph.node("Gather", [this.constants, this.tape.graph.constant(slot, "int64")]);
  }

  private unary(operation: UnaryOperation, x: Value): Value {
    const node = this.emit;
    const derived = (y: Value, slope: (gradient: Value) => Value): Value =>
      this.tape.recordOne(y, [x], (gradient, flow) => flow.add(x, (sum) => this.plus(sum, slope(gradient))));
    switch (operation) {
      case "negate": return derived(node("Neg", x), (g) => node("Neg", g));
      case "exp": {
        const y = node("Exp", x);
        return derived(y, (g) => node("Mul", g, y));
      }
      case "log": return derived(node("Log", x), (g) => node("Div", g, x));
      case "square": return derived(node("Mul", x, x), (g) => node("Mul", node("Add", g, g), x));
      case "absolute": return derived(node("Abs", x), (g) => node("Mul", g, node("Sign", x)));
      case "logSigmoid": {
        // min(x, 0) − log(1 + exp(−|x|)) never overflows
        const tail = node("Log", node("Add", node("Exp", node("Neg", node("Abs", x))), this.tape.graph.constant(1)));
        const y = node("Sub", node("Min", x, this.tape.graph.constant(0)), tail);
        return derived(y, (g) => node("Mul", g, node("Sigmoid", node("Neg", x))));
      }
      case "stopGradient": return node("Identity", x);
    }
  }

  private binary(operation: BinaryOperation, left: Value, right: Value): Value {
    const node = this.emit;
    const derived = (y: Value, ofLeft: (gradient: Value) => Value, ofRight: (gradient: Value) => Value): Value =>
      this.tape.recordOne(y, [left, right], (gradient, flow) => {
        flow.add(left, (sum) => this.plus(sum, ofLeft(gradient)));
        flow.add(right, (sum) => this.plus(sum, ofRight(gradient)));
      });
    /** Sends the gradient left where the comparison holds, right elsewhere. */
    const chosen = (operator: string, comparison: string): Value => {
      const isLeft = this.cast(this.tape.graph.node(comparison, [left, right], {}, { type: "bool" }), "float32");
      return derived(node(operator, left, right), (g) => node("Mul", g, isLeft), (g) => node("Sub", g, node("Mul", g, isLeft)));
    };
    switch (operation) {
      case "add": return derived(node("Add", left, right), (g) => g, (g) => g);
      case "subtract": return derived(node("Sub", left, right), (g) => g, (g) => node("Neg", g));
      case "multiply": return derived(node("Mul", left, right), (g) => node("Mul", g, right), (g) => node("Mul", g, left));
      case "divide": {
        const y = node("Div", left, right);
        return derived(y, (g) => node("Div", g, right), (g) => node("Neg", node("Div", node("Mul", g, y), right)));
      }
      case "maximum": return chosen("Max", "GreaterOrEqual");
      case "minimum": return chosen("Min", "LessOrEqual");
      case "greater": return this.cast(this.tape.graph.node("Greater", [left, right], {}, { type: "bool" }), "float32");
    }
  }

  private clip(x: Value, low: Value, high: Value): Value {
    const { graph } = this.tape;
    return this.tape.recordOne(this.emit("Clip", x, low, high), [x], (gradient, flow) => flow.add(x, (sum) => {
      const inside = graph.node("And", [
        graph.node("GreaterOrEqual", [x, low], {}, { type: "bool" }), graph.node("LessOrEqual", [x, high], {}, { type: "bool" })]);
      return this.plus(sum, this.emit("Mul", gradient, this.cast(inside, "float32")));
    }));
  }

  private take(of: Value, indices: Value): Value {
    const { graph } = this.tape;
    const at = this.cast(indices, "int64");
    return this.tape.recordOne(this.emit("Gather", of, at), [of], (gradient, flow) => flow.add(of, (sum) => {
      const zeros = (): Value => graph.node("ConstantOfShape", [graph.node("Shape", [of], {}, { type: "int64" })], {}, { type: "float32" });
      const base = sum ?? zeros();
      return graph.node("ScatterElements", [base, at, gradient], { axis: 0, reduction: "add" });
    }));
  }

  private rowSums(of: Value): Value {
    const { rows, zeros } = this.inputs.rowsOfTargets();
    const sums = this.tape.graph.node("ScatterElements", [zeros, rows, of], { axis: 0, reduction: "add" });
    return this.tape.recordOne(sums, [of], (gradient, flow) => flow.add(of, (sum) => this.plus(sum, this.emit("Gather", gradient, rows))));
  }

  private readonly emit = (operator: string, ...inputs: readonly Value[]): Value => this.tape.graph.node(operator, inputs);

  private plus(sum: Value | undefined, added: Value): Value {
    return sum === undefined ? added : this.emit("Add", sum, added);
  }

  private cast(x: Value, type: "float32" | "float64" | "int64"): Value {
    const to: Partial<Record<ElementType, number>> = { float32: 1, int64: 7, float64: 11 };
    return this.tape.graph.node("Cast", [x], { to: to[type]! }, { type });
  }
}
