"""The boundary's `generate`: batched sampling with a cache of keys and values; rows that have ended are dropped."""

import torch
from torch import Tensor
from transformers import DynamicCache

from .held import Held
from .model import Selection, gathered
from .sampling import Filters, draw
from .world import World

#: The batch is compacted when at least this share of its rows has finished.
FINISHED_SHARE = 1 / 8
#: Bytes of keys and values of a batch on the host; on a GPU a share of what is free or kept for reuse.
HOST_CACHE = 2**31
GPU_SHARE = 0.4


class Results:
    """What was drawn, for all rows of a request; zeros where other processes draw."""

    def __init__(self, rows: int, most: int):
        self.tokens = torch.zeros(rows, most, dtype=torch.int32)
        self.lengths = torch.zeros(rows, dtype=torch.int32)
        self.finished = torch.zeros(rows, dtype=torch.int32)
        self.log_probabilities = torch.zeros(rows, most)
        self.sampled = torch.zeros(rows, most)

    def answer(self, world: World, filtered: bool) -> dict:
        for name, values in vars(self).items():
            setattr(self, name, world.sum(values))
        rows = lambda values: [row[:length].clone() for row, length in zip(values, self.lengths.tolist())]
        sampled = {"sampledLogProbabilities": rows(self.sampled)} if filtered else {}
        return {
            "tokens": rows(self.tokens), "logProbabilities": rows(self.log_probabilities), **sampled,
            "finished": [bool(row) for row in self.finished.tolist()],
        }


def generate(held: Held, request: dict, world: World) -> dict:
    prompts, most = request["prompts"], request["maxNewTokens"]
    filters = Filters.of(request)
    results = Results(len(prompts), most)
    order = by_length(prompts, world)
    with torch.no_grad():
        if world.sharded:
            gather_weights(held, world)
        try:
            capacity = max(len(prompt) for prompt in prompts) + most
            fitting = max(1, cache_room(world) // (held.cache_bytes * capacity))
            for first in range(0, len(order), fitting):
                if not Rollout(held, request, filters, order[first:first + fitting], world.device).finish(results):
                    break
        finally:
            if world.sharded:
                gathered(held.module, keep=False)
    return results.answer(world, filters.on)


def by_length(prompts: list[Tensor], world: World) -> list[int]:
    """This process's rows. Such as are of like length share a batch, so that little of it is padding."""
    return sorted(range(len(prompts)), key=lambda row: (-len(prompts[row]), row))[world.rank::world.size]


def gather_weights(held: Held, world: World) -> None:
    """From here on each process samples its rows without waiting for the others."""
    gathered(held.module, keep=True)
    nothing = torch.zeros(0, dtype=torch.long, device=world.device)
    held.module(torch.zeros(1, 1, dtype=torch.long, device=world.device), Selection(nothing, nothing), frozenset({"logits"}))


def cache_room(world: World) -> int:
    if world.device.type != "cuda":
        return HOST_CACHE
    free, _ = torch.cuda.mem_get_info(world.device)
    kept = torch.cuda.memory_reserved(world.device) - torch.cuda.memory_allocated(world.device)
    return int((free + kept) * GPU_SHARE)


class Rollout:
    """One batch of rows on its way. Prompts end together: shorter ones have padding on the left, which is masked."""

    def __init__(self, held: Held, request: dict, filters: Filters, rows: list[int], device: torch.device):
        self.held, self.filters, self.rows, self.device = held, filters, rows, device
        self.most = request["maxNewTokens"]
        self.ends = torch.tensor(request["endTokens"], dtype=torch.long, device=device)
        prompts = [request["prompts"][row].long() for row in rows]
        width = max(len(prompt) for prompt in prompts)
        tokens = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for slot, prompt in enumerate(prompts):
            tokens[slot, width - len(prompt):] = prompt
            mask[slot, width - len(prompt):] = 1
        self.tokens, self.mask = tokens.to(device), mask.to(device)
        uniforms = request["uniforms"]
        self.uniforms = None if filters.temperature == 0 else uniforms.view(-1, self.most)[rows].to(device)
        self.cache = DynamicCache(config=held.module.causal.config)
        self.seen: Tensor | None = None
        self.slots = torch.arange(len(rows), device=device)

    def finish(self, results: Results) -> bool:
        """
        Samples to the end and writes what came of it. False when the model gave no numbers: it ends there, and the other side, which checks every
        log-probability, makes that an error once all processes have answered.
        """
        count = len(self.rows)
        drawn = torch.zeros(count, self.most, dtype=torch.int32, device=self.device)
        log_probabilities, sampled = (torch.zeros(count, self.most, device=self.device) for _ in range(2))
        lengths = torch.zeros(count, dtype=torch.int32, device=self.device)
        finished = torch.zeros(count, dtype=torch.bool, device=self.device)
        logits = self.run(self.tokens, (self.mask.cumsum(-1) - 1).clamp(min=0))
        self.note_prompts(logits.shape[-1])
        for step in range(self.most):
            uniforms = None if self.uniforms is None else self.uniforms[self.slots, step]
            found = draw(logits, self.filters, self.seen, uniforms)
            going = ~finished[self.slots]
            open_slots = self.slots[going]
            drawn[open_slots, step] = found.tokens[going].int()
            log_probabilities[open_slots, step] = found.log_probabilities[going]
            sampled[open_slots, step] = found.sampled_log_probabilities[going]
            lengths[open_slots] = step + 1
            finished[open_slots] = torch.isin(found.tokens[going], self.ends)
            live = ~finished[self.slots]
            alive, unsound = torch.stack([live.sum(), (~found.log_probabilities[going].isfinite()).sum()]).tolist()
            if alive == 0 or unsound > 0 or step + 1 == self.most:
                break
            tokens = self.compact(live, found.tokens) if alive <= len(self.slots) * (1 - FINISHED_SHARE) else found.tokens
            if self.seen is not None:
                self.seen.scatter_(-1, tokens.unsqueeze(-1), True)
            self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], -1)
            logits = self.run(tokens.unsqueeze(-1), self.mask.sum(-1, keepdim=True) - 1)
            self.held.alive()
        rows = torch.tensor(self.rows)
        results.tokens[rows], results.lengths[rows], results.finished[rows] = drawn.cpu(), lengths.cpu(), finished.int().cpu()
        results.log_probabilities[rows], results.sampled[rows] = log_probabilities.cpu(), sampled.cpu()
        return unsound == 0

    def run(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Logits after the last position of each row."""
        rows, time = tokens.shape
        last = torch.arange(1, rows + 1, device=self.device) * time - 1
        found = self.held.module(
            tokens, Selection(last, last[:0]), frozenset({"logits"}),
            attention_mask=self.mask, position_ids=positions, past_key_values=self.cache,
        )
        return found["logits"]

    def compact(self, live: Tensor, tokens: Tensor) -> Tensor:
        """Goes on with the live rows alone."""
        kept = live.nonzero().squeeze(-1)
        self.cache.batch_select_indices(kept)
        self.slots, self.mask = self.slots[kept], self.mask[kept]
        self.seen = None if self.seen is None else self.seen[kept]
        return tokens[kept]

    def note_prompts(self, vocabulary: int) -> None:
        if self.filters.repetition_penalty != 1:
            seen = torch.zeros(len(self.rows), vocabulary, dtype=torch.int32, device=self.device)
            self.seen = seen.scatter_add(-1, self.tokens, self.mask.int()) > 0
