"""What computes, and the memory it takes."""

import importlib.metadata
import os
import pathlib
import platform

import torch

from .settings import Settings
from .vllm_engine import check_vllm
from .world import World


def describe(world: World, settings: Settings) -> dict:
    versions = {name: importlib.metadata.version(name) for name in ("torch", "transformers", "safetensors")}
    if world.device.type == "cuda":
        versions["cuda"] = str(torch.version.cuda)
    if settings.vllm_memory is not None:
        versions["vllm"] = check_vllm(world)
    each = torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else processor()
    return {
        "name": "torch", "versions": {**versions, "python": platform.python_version()},
        "device": f"{world.size} × {each}, {settings.dtype}", "threads": torch.get_num_threads(),
    }


def processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def figures(world: World) -> dict[str, float]:
    """Bytes that this process holds."""
    resident = {"residentBytes": resident_bytes()}
    if world.device.type != "cuda":
        return resident
    free, total = torch.cuda.mem_get_info(world.device)
    return {
        **resident, "gpuBytes": total, "gpuFreeBytes": free,
        "gpuAllocatedBytes": torch.cuda.memory_allocated(world.device), "gpuPeakBytes": torch.cuda.max_memory_allocated(world.device),
    }


def resident_bytes() -> int:
    try:
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
