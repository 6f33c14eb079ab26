"""A language model of transformers with the heads of the boundary, and what it computes of a piece."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from .pieces import Piece


@dataclasses.dataclass
class Selection:
    """Which states the heads read: places in the flattened [rows, time] of a forward pass."""

    before_targets: Tensor
    last: Tensor


class HeadedModel(nn.Module):
    """
    A causal language model, and a linear head of one output on its last hidden states. All of it is computed through
    `forward`, so that sharded weights are gathered wherever they are needed.
    """

    def __init__(self, causal: nn.Module, head_name: str | None, head: nn.Linear | None, has_language_head: bool):
        super().__init__()
        self.causal = causal
        if head_name is not None:
            self.add_module(head_name, head)
        self.head_name = head_name
        self.has_language_head = has_language_head
        #: Layers compute without the adapters on them.
        self.adapter_off = False
        self.selected: Tensor | None = None
        self.states: Tensor | None = None
        if not has_language_head:
            causal.set_output_embeddings(nn.Identity())
        causal.get_output_embeddings().register_forward_pre_hook(self.select)

    def select(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Lets the language head read the selected states alone; whatever the model does to logits stays in place."""
        self.states = inputs[0].flatten(0, -2)
        return (self.states.index_select(0, self.selected).unsqueeze(0),)

    def forward(self, tokens: Tensor, selection: Selection, wanted: frozenset[str], **more: Any) -> dict[str, Tensor]:
        """`logits` [targets, vocabulary], `values` [targets], `scores` [rows], `features` [rows, hidden], as wanted; float32."""
        self.selected = selection.before_targets if "logits" in wanted else selection.before_targets[:0]
        logits = self.causal(input_ids=tokens, use_cache="past_key_values" in more, **more).logits
        states, self.states, self.selected = self.states, None, None
        # an empty selection still reaches every weight, so that all processes reduce the same gradients
        found = {"logits": logits[0].float()} if "logits" in wanted else {}
        if "values" in wanted:
            found["values"] = self.read(states, selection.before_targets)
        if "scores" in wanted:
            found["scores"] = self.read(states, selection.last)
        if "features" in wanted:
            found["features"] = states.index_select(0, selection.last).float()
        return found

    def read(self, states: Tensor, places: Tensor) -> Tensor:
        return getattr(self, self.head_name)(states.index_select(0, places).float()).squeeze(-1)

    def file_name(self, parameter: str) -> str:
        """The name in files of a parameter of this module."""
        return parameter.removeprefix("causal.")

    def named_weights(self) -> dict[str, nn.Parameter]:
        """Every weight by its name in files; what is tied comes once."""
        return {self.file_name(name): parameter for name, parameter in self.named_parameters()}


def local(tensor: Tensor) -> Tensor:
    """The rows of a tensor that this process holds."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gathered(model: nn.Module, keep: bool) -> None:
    """Says whether weights stay gathered after a forward pass, and lets go of those that were."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_reshard_after_forward(not keep, recurse=False)
            if not keep:
                module.reshard()


def quantities_of(
    model: HeadedModel, piece: Piece, asked: set[str], differentiated: set[str], temperature: float, device: torch.device,
) -> dict[str, Tensor]:
    """
    The quantities of a piece's targets and rows; only those `differentiated` carry a gradient. Sequences are padded on
    the right, where nothing that counts can see it.
    """
    sequences = piece.sequences or [torch.zeros(1, dtype=torch.int32)]
    width = max(len(sequence) for sequence in sequences)
    tokens = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        tokens[row, :len(sequence)] = sequence
    before = [width * row + target - 1 for row, targets in enumerate(piece.targets) for target in targets.tolist()]
    chosen = [token for sequence, targets in zip(piece.sequences, piece.targets) for token in sequence[targets.long()].tolist()]
    last = [width * row + len(sequence) - 1 for row, sequence in enumerate(piece.sequences)]

    index = lambda places: torch.tensor(places, dtype=torch.long, device=device)
    language = {"logProbabilities", "entropy"} & asked
    wanted = frozenset(({"logits"} if language else set()) | ({"values", "scores", "features"} & asked))
    found = model(tokens.to(device), Selection(index(before), index(last)), wanted)
    quantities = {name: found[name] for name in ("values", "scores", "features") if name in found}
    if language:
        scaled = found["logits"] / temperature
        # the shift keeps what is summed near 0, where float32 is finest
        scaled = scaled - scaled.detach().amax(-1, keepdim=True) if scaled.numel() > 0 else scaled
        norm = scaled.logsumexp(-1)
        quantities["logProbabilities"] = scaled.gather(-1, index(chosen).unsqueeze(-1)).squeeze(-1) - norm
        if "entropy" in asked:
            with torch.set_grad_enabled("entropy" in differentiated):
                quantities["entropy"] = norm - (torch.softmax(scaled, -1) * scaled).sum(-1)
    return {name: values if name in differentiated else values.detach() for name, values in quantities.items()}
