"""
Saves models so that the files do not depend on how many processes hold them: every process writes its own rows to
their place in one safetensors file, and reads back what is its own. No process ever holds a whole tensor for it.
"""

import json
import os
import pathlib
import secrets
import struct
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from . import adapters
from .failures import Failure
from .files import TensorFile, check_shape, missing
from .held import Held
from .model import local
from .optimizer import Optimizer
from .world import World

MOMENTS = {"exp_avg.": "exp_avg", "exp_avg_sq.": "exp_avg_sq"}
OPTIMIZER_FILE = "optimizer.safetensors"


def save(held: Held, directory: pathlib.Path, optimizer: bool, world: World, shard_bytes: int) -> None:
    """
    Writes config.json and model.safetensors or its shards, or an adapter's adapter_model.safetensors; and if asked
    optimizer.safetensors; each whole and fsynced.
    """
    if held.is_adapter:
        write_tensors(directory / adapters.FILE, {adapters.PREFIX + name: weight for name, weight in held.weights.items()}, {}, world, held.alive)
    else:
        if world.rank == 0:
            write_durably(directory / "config.json", json.dumps(held.config, indent=2, ensure_ascii=False).encode() + b"\n")
        write_model(directory, held.weights, world, held.alive, shard_bytes)
    if optimizer:
        moments = {
            prefix + name: moment
            for prefix, kind in MOMENTS.items() for name, moment in held.optimizer.moments(kind).items()
        }
        write_tensors(directory / OPTIMIZER_FILE, moments, {"updates": str(held.optimizer.updates)}, world, held.alive)


def write_model(directory: pathlib.Path, weights: dict[str, Tensor], world: World, alive: Callable[[], None], shard_bytes: int) -> None:
    """model.safetensors; or shards of at most so many bytes and, when all are there, the index that names them."""
    shards: list[dict[str, Tensor]] = [{}]
    room = shard_bytes
    for name, weight in weights.items():
        if 4 * weight.numel() > room and shards[-1]:
            shards.append({})
            room = shard_bytes
        shards[-1][name] = weight
        room -= 4 * weight.numel()
    whole, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if len(shards) == 1:
        write_tensors(whole, weights, {}, world, alive)
        index.unlink(missing_ok=True)
        return
    weight_map = {}
    for place, shard in enumerate(shards):
        name = f"model-{place + 1:05d}-of-{len(shards):05d}.safetensors"
        write_tensors(directory / name, shard, {}, world, alive)
        weight_map |= dict.fromkeys(shard, name)
    if world.rank == 0:
        total = sum(4 * weight.numel() for weight in weights.values())
        write_durably(index, json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2).encode() + b"\n")
        # readers take the whole file where there is one
        whole.unlink(missing_ok=True)
    world.wait()


def load_optimizer(optimizer: Optimizer, directory: pathlib.Path, alive: Callable[[], None]) -> None:
    """Fills the moments from a directory. Fails with TL_BACKEND_OPTIMIZER_MISSING or TL_MODEL_TENSORS."""
    path = directory / OPTIMIZER_FILE
    if not path.exists():
        raise Failure("TL_BACKEND_OPTIMIZER_MISSING", f"{path} can't be read")
    file = TensorFile(path)
    updates = file.metadata.get("updates", "")
    if not updates.isdecimal():
        raise Failure("TL_BACKEND_OPTIMIZER_MISSING", f"{path} does not say how many updates its moments come from")
    states = {prefix + name: moment for prefix, kind in MOMENTS.items() for name, moment in optimizer.moments(kind).items()}
    for name, moment in states.items():
        if name not in file.names:
            raise missing(name, path)
        check_shape(file.shape(name), moment.shape, name, path)
    for name, moment in states.items():
        first, count = own_rows(moment)
        local(moment).copy_(file.rows(name, first, count))
        alive()
    optimizer.updates = int(updates)


def own_rows(tensor: Tensor) -> tuple[int, int]:
    """First row and number of rows that this process holds."""
    if not isinstance(tensor, DTensor):
        return 0, tensor.shape[0]
    shape, offset = compute_local_shape_and_global_offset(tensor.shape, tensor.device_mesh, tensor.placements)
    return offset[0], shape[0]


def write_tensors(
    path: pathlib.Path, tensors: dict[str, Tensor], metadata: dict[str, str], world: World, alive: Callable[[], None],
) -> None:
    """One safetensors file of float32, the same bytes for any number of processes."""
    entries, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + 4 * tensor.numel()
        entries[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    header = json.dumps({"__metadata__": {"format": "pt", **metadata}, **entries}, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    data = 8 + len(header)
    token = int(world.sum(torch.tensor(float(secrets.randbits(24) if world.rank == 0 else 0))).item())
    temporary = path.with_name(f".{path.name}.{token:06x}")
    if world.rank == 0:
        with open(temporary, "xb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            file.truncate(data + end)
    world.wait()
    try:
        with open(temporary, "r+b") as file:
            for name, tensor in tensors.items():
                first, count = own_rows(tensor)
                if count > 0:
                    row_bytes = 4 * tensor.numel() // tensor.shape[0]
                    file.seek(data + entries[name]["data_offsets"][0] + first * row_bytes)
                    file.write(memoryview(local(tensor).detach().to("cpu", torch.float32).contiguous().numpy()).cast("B"))
                alive()
            file.flush()
            os.fsync(file.fileno())
        world.wait()
        if world.rank == 0:
            os.replace(temporary, path)
            sync_directory(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    world.wait()


def write_durably(path: pathlib.Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with open(temporary, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(path.parent)


def sync_directory(directory: pathlib.Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
