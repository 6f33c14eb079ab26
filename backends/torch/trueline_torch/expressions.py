"""Losses and statistics as the boundary states them (backends/expressions.ts), evaluated and differentiated by autograd."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Expression = dict[str, Any]
#: Arrays by name: quantities of the model and what the caller gave.
Arrays = dict[str, Tensor]

QUANTITIES = ("logProbabilities", "entropy", "values", "scores")

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "negate": torch.neg,
    "exp": torch.exp,
    "log": torch.log,
    "square": torch.square,
    "absolute": torch.abs,
    "logSigmoid": F.logsigmoid,
    "stopGradient": Tensor.detach,
}

# torch.maximum halves the gradient on ties; here it goes left. A NaN on either side stays one.
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "maximum": lambda left, right: torch.where((left >= right) | left.isnan(), left, right),
    "minimum": lambda left, right: torch.where((left <= right) | left.isnan(), left, right),
    "greater": lambda left, right: (left > right).to(left.dtype),
}


@dataclasses.dataclass(frozen=True)
class Scope:
    """What expressions are evaluated in."""

    quantities: Arrays
    given: Arrays
    #: The row of each target token.
    target_rows: Tensor
    rows: int


def evaluate(expression: Expression, scope: Scope) -> Tensor:
    """The array of an expression; constants have no dimension and fit every array."""
    operation = expression["op"]
    if operation in QUANTITIES:
        return scope.quantities[operation]
    if operation == "given":
        return scope.given[expression["name"]]
    if operation == "constant":
        return torch.tensor(expression["value"], dtype=torch.float32, device=device_of(scope.quantities))
    if operation in BINARY:
        return BINARY[operation](evaluate(expression["left"], scope), evaluate(expression["right"], scope))
    of = evaluate(expression["of"], scope)
    if operation == "clip":
        return clip(of, expression["low"], expression["high"])
    if operation == "take":
        return of if of.dim() == 0 else of[scope.given[expression["indices"]].long()]
    if operation == "rowSums":
        return of.new_zeros(scope.rows).index_add(0, scope.target_rows, of)
    return UNARY[operation](of)


def clip(of: Tensor, low: float, high: float) -> Tensor:
    """The gradient passes inside and at both bounds; torch.clamp stops it at the lower."""
    return torch.where((of >= low) & (of <= high), of, of.detach().clamp(low, high))


def evaluate_sum(terms: list[Expression], scope: Scope) -> Tensor:
    """The sum of all terms over their whole domains, in double precision."""
    total = torch.zeros((), dtype=torch.float64, device=device_of(scope.quantities))
    for term in terms:
        total = total + evaluate(term, scope).sum(dtype=torch.float64)
    return total


def needs_of(sums: list[list[Expression]]) -> tuple[set[str], dict[str, str], set[str]]:
    """What sums name: quantities, given arrays with their domains, and the arrays used as indices."""
    quantities: set[str] = set()
    arrays: dict[str, str] = {}
    indices: set[str] = set()
    for expression in walk(sums):
        if expression["op"] in QUANTITIES:
            quantities.add(expression["op"])
        elif expression["op"] == "given":
            arrays[expression["name"]] = expression["over"]
        elif expression["op"] == "take":
            arrays[expression["indices"]] = "rows"
            indices.add(expression["indices"])
    return quantities, arrays, indices


def walk(sums: list[list[Expression]]) -> Iterator[Expression]:
    waiting = [term for terms in sums for term in terms]
    while waiting:
        expression = waiting.pop()
        yield expression
        waiting += [expression[operand] for operand in ("of", "left", "right") if operand in expression]


def device_of(quantities: Arrays) -> torch.device:
    return next((array.device for array in quantities.values()), torch.device("cpu"))
