"""A model that is held under a name."""

import dataclasses
from collections.abc import Callable
from typing import Any

from .model import HeadedModel
from .optimizer import Optimizer


@dataclasses.dataclass
class Held:
    module: HeadedModel
    head: str
    #: Where its weights were read from, adapters and optimizer apart.
    directory: str
    #: config.json as it is written with the model.
    config: dict[str, Any]
    #: Names of the weights that are saved, in the order of the files.
    order: list[str]
    #: Whether these are an adapter's and its head's.
    is_adapter: bool
    #: None for models that are only read.
    optimizer: Optimizer | None
    #: Padded tokens that are computed at once.
    piece_limit: int
    #: Bytes of keys and values that a token leaves in the cache.
    cache_bytes: int
    #: Shows the parent that work goes on.
    alive: Callable[[], None]

    @property
    def weights(self) -> dict:
        named = self.module.named_weights()
        return {name: named[name] for name in self.order}
