"""Answers the calls of the boundary, one at a time in their order."""

import pathlib
import queue
import socket
import threading
import time
import os
from collections.abc import Callable
from typing import Any

import torch

from . import checkpoint, figures, generation, loading, scoring, training
from .failures import describe_failure
from .frames import read_frame, write_frame
from .held import Held
from .settings import Settings
from .world import World

#: Seconds between two signs of life.
PULSE = 1.0


class Service:
    def __init__(self, connection: socket.socket, settings: Settings, world: World):
        self.connection, self.settings, self.world = connection, settings, world
        self.models: dict[str, Held] = {}
        self.last_sign = 0.0
        self.operations: dict[str, Callable[..., Any]] = {
            "describe": lambda: figures.describe(world, settings),
            "figures": lambda: figures.figures(world),
            "inspect": loading.inspect,
            "load": self.load,
            "unload": self.unload,
            "save": lambda model, directory, optimizer: checkpoint.save(self.models[model], pathlib.Path(directory), optimizer, world),
            "forward": lambda model, request: scoring.forward(self.models[model], request, world),
            "generate": lambda model, request: generation.generate(self.models[model], request, world),
            "step": lambda model, request: training.step(self.models[model], request, world),
        }

    def serve(self) -> None:
        """Answers until the parent closes the connection or dies."""
        calls: queue.Queue[dict] = queue.Queue()
        threading.Thread(target=self.receive, args=(calls,), daemon=True).start()
        while True:
            call = calls.get()
            write_frame(self.connection, {"id": call["id"], **self.outcome(call)})

    def receive(self, calls: queue.Queue) -> None:
        """Reads calls as they come; the end of the connection ends the process, whatever it computes just then."""
        try:
            while (call := read_frame(self.connection)) is not None:
                calls.put(call)
        finally:
            os._exit(0)

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
