"""The group of processes that compute together. Rank 0 answers; all of them read every call."""

import datetime
import os

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from .failures import Failure
from .settings import Settings

#: A process that hangs is noticed by the parent, which knows when the group last showed a sign of life.
PATIENCE = datetime.timedelta(days=7)


class World:
    def __init__(self, settings: Settings):
        self.rank = int(os.environ.get("RANK", "0"))
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.device = choose_device(settings.device, int(os.environ.get("LOCAL_RANK", "0")))
        #: Weights are sharded, gathered in the type they compute in, and perhaps kept on the host.
        self.sharded = self.size > 1 or settings.dtype == "bfloat16" or settings.offload
        self.mesh: DeviceMesh | None = None
        if self.sharded:
            if self.size == 1:
                os.environ.update(RANK="0", WORLD_SIZE="1")
            store = dist.HashStore() if self.size == 1 else None
            backends = "cpu:gloo,cuda:nccl" if self.device.type == "cuda" else "gloo"
            dist.init_process_group(backends, store=store, rank=self.rank, world_size=self.size, timeout=PATIENCE)
            self.mesh = init_device_mesh(self.device.type, (self.size,))

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The elementwise sum over all processes, on the host. Changes `values` where they lie there."""
        values = values.cpu()
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def wait(self) -> None:
        """Returns when all processes have come here."""
        self.sum(torch.zeros(1))


def choose_device(asked: str, local_rank: int) -> torch.device:
    available = torch.cuda.is_available()
    if asked == "cpu" or (asked == "auto" and not available):
        return torch.device("cpu")
    count = torch.cuda.device_count() if available else 0
    if local_rank >= count:
        raise Failure("TL_BACKEND_PROVIDER_MISSING", f"process {local_rank} needs a GPU of its own; torch sees {count}", "Ask for fewer processes, or for device \"cpu\".")
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
