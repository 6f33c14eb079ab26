"""The boundary's `step`: gradients of all parts, clipped by global norm, and one update."""

import dataclasses

import torch
from torch import Tensor

from .expressions import Scope, evaluate_sum, needs_of
from .held import Held
from .model import quantities_of
from .pieces import Piece, deal, offsets_of
from .world import World


def step(held: Held, request: dict, world: World) -> dict:
    held.module.zero_grad()
    sums = [differentiate(held, part, world) for part in request["parts"]]
    norm, norms = held.optimizer.norms(world)
    settings = request.get("optimizer")
    if settings is not None and torch.isfinite(torch.tensor(norm)):
        held.optimizer.update(settings, norm)
    held.module.zero_grad()
    named = {"normsByParameter": norms} if request.get("normsByParameter") else {}
    return {"losses": [loss for loss, _ in sums], "statistics": [statistics for _, statistics in sums], "gradientNorm": norm, **named}


def differentiate(held: Held, part: dict, world: World) -> tuple[float, dict[str, float]]:
    """Adds the gradient of a part's loss to the weights', and gives its sums over all processes."""
    batch, arrays = part["batch"], part["arrays"]
    names = list(part["statistics"])
    quantities, domains, indices = needs_of([part["loss"], *part["statistics"].values()])
    differentiated, _, _ = needs_of([part["loss"]])
    offsets = offsets_of(batch["targets"])
    temperature = part.get("temperature", 1.0)
    totals = torch.zeros(1 + len(names), dtype=torch.float64)
    for pieces in deal(batch, [arrays[name] for name in sorted(indices)], held.piece_limit, world.size):
        piece = pieces[world.rank]
        given = {
            name: (local_rows(piece, arrays[name]) if name in indices else piece.take(arrays[name], domain, offsets)).to(world.device)
            for name, domain in domains.items()
        }
        found = quantities_of(held.module, piece, quantities, differentiated, temperature, world.device)
        target_rows = [row for row, targets in enumerate(piece.targets) for _ in targets]
        scope = Scope(found, given, torch.tensor(target_rows, dtype=torch.long, device=world.device), len(piece.rows))
        loss = evaluate_sum(part["loss"], scope)
        if loss.requires_grad:
            loss.backward()
        totals[0] += loss.item()
        scope = dataclasses.replace(scope, quantities={name: values.detach() for name, values in found.items()})
        with torch.no_grad():
            for place, name in enumerate(names):
                totals[1 + place] += evaluate_sum(part["statistics"][name], scope).item()
        held.alive()
    loss, *statistics = world.sum(totals).tolist()
    return loss, dict(zip(names, statistics))


def local_rows(piece: Piece, indices: Tensor) -> Tensor:
    """Indices of rows as places in the piece, which holds every row that its rows point to."""
    place = {row: position for position, row in enumerate(piece.rows)}
    return torch.tensor([place[int(indices[row])] for row in piece.rows], dtype=torch.long)
