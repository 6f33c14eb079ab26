"""AdamW with decoupled decay on matrices alone, on the rows of the weights that this process holds."""

import torch
from torch import Tensor, nn

from .model import local
from .world import World


class Optimizer:
    """
    torch.optim.AdamW with one count of updates for all weights. A weight that no loss has reached has no gradient:
    neither it nor its moments change.
    """

    def __init__(self, weights: dict[str, nn.Parameter]):
        self.weights = weights
        self.updates = 0
        matrices = [weight for weight in weights.values() if weight.dim() > 1]
        others = [weight for weight in weights.values() if weight.dim() <= 1]
        fused = all(weight.device.type == "cuda" for weight in weights.values())
        groups = [{"params": matrices, "decays": True}, {"params": others, "decays": False}]
        self.adam = torch.optim.AdamW([group for group in groups if group["params"]], fused=fused)
        for weight in weights.values():
            self.adam.state[weight] = {
                "step": torch.zeros((), dtype=torch.float32, device=weight.device if fused else "cpu"),
                "exp_avg": torch.zeros_like(weight, requires_grad=False),
                "exp_avg_sq": torch.zeros_like(weight, requires_grad=False),
            }

    def moments(self, kind: str) -> dict[str, Tensor]:
        """`exp_avg` or `exp_avg_sq` by weight."""
        return {name: self.adam.state[weight][kind] for name, weight in self.weights.items()}

    def norms(self, world: World) -> tuple[float, dict[str, float]]:
        """L2 norm over all gradients and all processes, and each weight's by name."""
        squares = torch.zeros(len(self.weights), dtype=torch.float64)
        for place, weight in enumerate(self.weights.values()):
            if weight.grad is not None:
                squares[place] = torch.linalg.vector_norm(local(weight.grad), dtype=torch.float64).square().cpu()
        squares = world.sum(squares) if world.sharded else squares
        return squares.sum().sqrt().item(), dict(zip(self.weights, squares.sqrt().tolist()))

    def update(self, settings: dict, norm: float) -> None:
        """One update, the gradients scaled down to the maximum norm. `norm` is theirs and finite."""
        if settings.get("maxGradientNorm") is not None:
            # 1e-6 as in clip_grad_norm_
            scale = min(1.0, settings["maxGradientNorm"] / (norm + 1e-6))
            torch._foreach_mul_([local(weight.grad) for weight in self.weights.values() if weight.grad is not None], scale)
        for group in self.adam.param_groups:
            group.update(
                lr=settings["learningRate"], betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"],
                weight_decay=settings["weightDecay"] if group["decays"] else 0.0,
            )
        for state in self.adam.state.values():
            state["step"].fill_(self.updates)
        self.adam.step()
        self.updates += 1
