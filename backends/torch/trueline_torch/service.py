"""Answers the calls of the boundary, one at a time in their order."""

import pathlib
import time
from collections.abc import Callable
from typing import Any

import torch

from . import checkpoint, figures, generation, loading, scoring, training
from .connection import Connection
from .failures import describe_failure
from .frames import read_frame, write_frame
from .held import Held
from .settings import Settings
from .vllm_engine import VllmEngine, check_vllm
from .world import World

#: Seconds between two signs of life.
PULSE = 1.0


class Service:
    def __init__(self, connection: Connection, settings: Settings, world: World):
        self.connection, self.settings, self.world = connection, settings, world
        self.models: dict[str, Held] = {}
        self.engine: VllmEngine | None = None
        if settings.vllm_memory is not None:
            check_vllm(world)
            self.engine = VllmEngine(world, settings)
        self.last_sign = 0.0
        self.operations: dict[str, Callable[..., Any]] = {
            "describe": lambda: figures.describe(world, settings),
            "figures": lambda: figures.figures(world),
            "inspect": loading.inspect,
            "load": self.load,
            "unload": self.unload,
            "save": lambda model, directory, optimizer: checkpoint.save(self.models[model], pathlib.Path(directory), optimizer, world, settings.shard_bytes),
            "forward": lambda model, request: scoring.forward(self.models[model], request, world),
            "generate": self.generate,
            "step": lambda model, request: training.step(self.models[model], request, world),
        }

    def serve(self) -> None:
        """Answers until the connection ends, and the process with it."""
        while True:
            call = read_frame(self.connection)
            write_frame(self.connection, {"id": call["id"], **self.outcome(call)})

    def outcome(self, call: dict) -> dict:
        try:
            result = self.operations[call["method"]](*call["parameters"])
        except Exception as error:  # the process answers every call, and says what happened
            told = describe_failure(error)
            del error
            if self.world.device.type == "cuda":
                torch.cuda.empty_cache()
            return {"failure": told}
        # every process computes the same answer; only figures are each one's own
        return {"result": result if self.world.rank == 0 or call["method"] == "figures" else None}

    def load(self, request: dict, new_head: dict | None) -> dict:
        held, information = loading.load(request, new_head, self.settings, self.world, self.alive)
        self.models[request["model"]] = held
        return information

    def generate(self, model: str, request: dict) -> dict:
        held = self.models[model]
        # vLLM is for the policy; another model, such as a judge, would need an engine of its own
        return generation.generate(held, request, self.world) if self.engine is None or held.optimizer is None else self.engine.generate(held, model, request)

    def unload(self, model: str) -> None:
        del self.models[model]
        if self.world.device.type == "cuda":
            torch.cuda.empty_cache()

    def alive(self) -> None:
        """Tells the parent, now and then, that work goes on."""
        now = time.monotonic()
        if now - self.last_sign >= PULSE:
            self.last_sign = now
            write_frame(self.connection, {"alive": True})


def serve(connection: Connection) -> None:
    """Joins the other processes, says that it is ready, and answers calls."""
    settings = Settings(**connection.settings)
    torch.set_num_threads(settings.threads)
    # a resumed run must end with the bytes of one that was never interrupted
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        service = Service(connection, settings, World(settings))
    except Exception as error:
        write_frame(connection, {"failure": describe_failure(error)})
        raise
    write_frame(connection, {"ready": True})
    service.serve()
