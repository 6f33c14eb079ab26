"""Draws tokens from logits by uniforms that the caller gave, through the filters in the field's usual order."""

import dataclasses

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Filters:
    #: 0 means greedy.
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float

    @classmethod
    def of(cls, request: dict) -> "Filters":
        return cls(request["temperature"], request.get("topP", 1.0), request.get("topK", 0), request.get("repetitionPenalty", 1.0))

    @property
    def on(self) -> bool:
        return self.top_p < 1 or self.top_k > 0 or self.repetition_penalty != 1


@dataclasses.dataclass(frozen=True)
class Draw:
    """One token a row; log-probabilities before and after the filters, at temperature 0 those at 1."""

    tokens: Tensor
    log_probabilities: Tensor
    sampled_log_probabilities: Tensor


def draw(logits: Tensor, filters: Filters, seen: Tensor | None, uniforms: Tensor | None) -> Draw:
    """
    :param logits: [rows, vocabulary]
    :param seen: [rows, vocabulary], which tokens the repetition penalty applies to.
    :param uniforms: [rows]; not read at temperature 0.
    """
    plain = logits.double()
    temperature = filters.temperature or 1.0
    offered = plain
    if seen is not None:
        penalized = torch.where(plain > 0, plain / filters.repetition_penalty, plain * filters.repetition_penalty)
        offered = torch.where(seen, penalized, plain)
    before = torch.log_softmax(plain / temperature, -1)
    offered = keep_likely(torch.log_softmax(offered / temperature, -1), filters)
    tokens = offered.argmax(-1) if filters.temperature == 0 else pick(offered.exp(), uniforms)
    of = lambda table: table.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).float()
    return Draw(tokens, of(before), of(offered))


def pick(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """The first token of each row up to which the probabilities add up to more than its uniform."""
    mass = probabilities.cumsum(-1)
    found = torch.searchsorted(mass, uniforms.double().unsqueeze(-1), right=True).squeeze(-1)
    # rounding can leave the whole mass at or below the uniform: then it is the last token that has any
    places = torch.arange(probabilities.shape[-1], device=probabilities.device)
    last = torch.where(probabilities > 0, places, 0).amax(-1)
    return torch.minimum(found, last)


def keep_likely(log_probabilities: Tensor, filters: Filters) -> Tensor:
    """Only the most likely tokens, first by top-k, then by top-p, scaled to sum to 1; of equals the first."""
    vocabulary = log_probabilities.shape[-1]
    if 0 < filters.top_k < vocabulary:
        ranked = log_probabilities.sort(dim=-1, descending=True, stable=True).indices
        log_probabilities = keep(log_probabilities, ranked, torch.arange(vocabulary, device=ranked.device).expand_as(ranked) < filters.top_k)
    if filters.top_p < 1:
        ordered, ranked = log_probabilities.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.exp()
        log_probabilities = keep(log_probabilities, ranked, probabilities.cumsum(-1) - probabilities < filters.top_p)
    return log_probabilities


def keep(log_probabilities: Tensor, ranked: Tensor, kept: Tensor) -> Tensor:
    mask = torch.zeros_like(kept).scatter(-1, ranked, kept)
    return torch.log_softmax(log_probabilities.masked_fill(~mask, -torch.inf), -1)
