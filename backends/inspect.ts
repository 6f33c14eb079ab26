import { TruelineError } from "../foundation/errors.js";
import type { Quantity } from "./backend.js";
import type { Domain, Expression, Sum } from "./expressions.js";

/** What sums ask of a backend: the model's quantities, the given arrays with their domains, the arrays used as indices. */
export interface Needs {
  readonly quantities: ReadonlySet<Quantity>;
  readonly arrays: ReadonlyMap<string, Domain>;
  readonly indices: ReadonlySet<string>;
}

/** The domain of one term. Fails with TL_BACKEND_EXPRESSION_INVALID on mixed domains and on a constant alone. */
export function domainOfTerm(term: Expression): Domain {
  const domain = domainOf(term);
  if (domain === "any") throw invalid("a term made of constants alone has no tokens or rows to be summed over");
  return domain;
}

/** All that the sums need. Fails with TL_BACKEND_EXPRESSION_INVALID when an array is used on two domains. */
export function needsOf(sums: readonly Sum[]): Needs {
  const quantities = new Set<Quantity>();
  const arrays = new Map<string, Domain>();
  const indices = new Set<string>();

  const array = (name: string, domain: Domain): void => {
    const earlier = arrays.get(name);
    if (earlier !== undefined && earlier !== domain) {
      throw invalid(`the array "${name}" is used over ${earlier} and over ${domain}`);
    }
    arrays.set(name, domain);
  };
  const visit = (expression: Expression): void => {
    switch (expression.op) {
      case "logProbabilities": case "entropy": case "values": case "scores":
        quantities.add(expression.op);
        return;
      case "constant":
        return;
      case "given":
        array(expression.name, expression.over);
        return;
      case "take":
        array(expression.indices, "rows");
        indices.add(expression.indices);
        visit(expression.of);
        return;
      case "add": case "subtract": case "multiply": case "divide": case "maximum": case "minimum": case "greater":
        visit(expression.left);
        visit(expression.right);
        return;
      default:
        visit(expression.of);
    }
  };
  for (const sum of sums) sum.forEach(visit);
  return { quantities, arrays, indices };
}

function domainOf(expression: Expression): Domain | "any" {
  switch (expression.op) {
    case "logProbabilities": case "entropy": case "values":
      return "tokens";
    case "scores":
      return "rows";
    case "given":
      return expression.over;
    case "constant":
      return "any";
    case "take":
      if (domainOf(expression.of) === "tokens") throw invalid("take picks among rows, but its operand is over tokens");
      return "rows";
    case "rowSums": {
      const summed = domainOf(expression.of);
      if (summed !== "tokens") throw invalid(`rowSums adds up a row's tokens, but its operand is ${summed === "rows" ? "over rows" : "made of constants alone"}`);
      return "rows";
    }
    case "add": case "subtract": case "multiply": case "divide": case "maximum": case "minimum": case "greater": {
      const left = domainOf(expression.left);
      const right = domainOf(expression.right);
      if (left === "any") return right;
      if (right !== "any" && left !== right) throw invalid(`${expression.op} joins ${left} with ${right}`);
      return left;
    }
    default:
      return domainOf(expression.of);
  }
}

const invalid = (message: string): TruelineError => new TruelineError("TL_BACKEND_EXPRESSION_INVALID", message);
