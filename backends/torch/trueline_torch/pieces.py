"""Cuts a batch into pieces that fit memory, and deals them to the processes."""

import dataclasses

import torch
from torch import Tensor

#: Floats of one copy of a piece's logits, where the caller sets no limit.
LOGIT_FLOATS = 2**28
MOST_TOKENS = 8192


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some rows of a batch, by index. A piece without rows keeps a process in step with the others."""

    rows: list[int]
    sequences: list[Tensor]
    targets: list[Tensor]

    def take(self, array: Tensor, domain: str, offsets: list[int]) -> Tensor:
        """The piece's part of an array over the whole batch."""
        return array[self.places(domain, offsets)]

    def places(self, domain: str, offsets: list[int]) -> Tensor:
        """Where the piece's rows or tokens lie in an array over the whole batch."""
        if domain == "rows":
            return torch.tensor(self.rows, dtype=torch.long)
        return torch.tensor([token for row in self.rows for token in range(offsets[row], offsets[row + 1])], dtype=torch.long)


def piece_limit(asked: int | None, vocabulary: int) -> int:
    """Padded tokens of a piece."""
    return asked or max(1, min(MOST_TOKENS, LOGIT_FLOATS // vocabulary))


def offsets_of(targets: list[Tensor]) -> list[int]:
    """Where each row's tokens begin in an array over tokens; one entry more than rows."""
    offsets = [0]
    for target in targets:
        offsets.append(offsets[-1] + len(target))
    return offsets


def deal(batch: dict, links: list[Tensor], limit: int, processes: int) -> list[list[Piece]]:
    """
    Rounds of pieces, one a process in each. Rows of like length share a piece, rows that `links` join stay together, and a
    piece holds at most `limit` padded tokens unless what is joined is longer.

    :param links: arrays of row indices; row i is joined with row links[i].
    """
    sequences, targets = batch["sequences"], batch["targets"]
    lengths = [len(sequence) for sequence in sequences]
    groups = sorted(joined(len(sequences), links), key=lambda rows: (-longest(rows, lengths), rows))
    fewest = len(fill(groups, lengths, limit))
    wanted = processes * -(-fewest // processes)
    share = sum(lengths) // wanted + 1
    while (filled := len(fill(groups, lengths, min(share, limit)))) > wanted:
        share += max(1, share // 10)
    assert filled <= wanted
    bins = fill(groups, lengths, min(share, limit))
    bins += [[] for _ in range(wanted - len(bins))]
    pieces = [Piece(rows, [sequences[row] for row in rows], [targets[row] for row in rows]) for rows in bins]
    return [pieces[first:first + processes] for first in range(0, wanted, processes)]


def fill(groups: list[list[int]], lengths: list[int], limit: int) -> list[list[int]]:
    bins: list[list[int]] = [[]]
    for group in groups:
        together = bins[-1] + group
        if bins[-1] and len(together) * longest(together, lengths) > limit:
            bins.append(sorted(group))
        else:
            bins[-1] = sorted(together)
    return bins


def joined(count: int, links: list[Tensor]) -> list[list[int]]:
    """Rows by what joins them, each group ascending."""
    leader = list(range(count))

    def lead(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    for link in links:
        for row, other in enumerate(link.long().tolist()):
            leader[lead(row)] = lead(other)
    groups: dict[int, list[int]] = {}
    for row in range(count):
        groups.setdefault(lead(row), []).append(row)
    return list(groups.values())


def longest(rows: list[int], lengths: list[int]) -> int:
    return max(lengths[row] for row in rows)
