"""The boundary's `forward`: quantities of given tokens without gradient."""

import torch
from torch import Tensor

from .held import Held
from .model import quantities_of
from .pieces import deal, offsets_of
from .world import World


def forward(held: Held, request: dict, world: World) -> dict[str, Tensor]:
    batch = request["batch"]
    offsets = offsets_of(batch["targets"])
    asked = set(request["quantities"])
    held.module.adapter_off = request.get("adapter") == "off"
    shapes = {"scores": (len(batch["sequences"]),), "features": (len(batch["sequences"]), held.module.causal.config.get_text_config().hidden_size)}
    results = {name: torch.zeros(shapes.get(name, (offsets[-1],))) for name in sorted(asked)}
    try:
        with torch.no_grad():
            for pieces in deal(batch, [], held.piece_limit, world.size):
                piece = pieces[world.rank]
                found = quantities_of(held.module, piece, asked, set(), request.get("temperature", 1.0), world.device)
                for name in results:
                    places = piece.places("rows" if name in shapes else "tokens", offsets)
                    results[name][places] = found[name].cpu()
                held.alive()
    finally:
        held.module.adapter_off = False
    return {name: world.sum(values) for name, values in results.items()}
