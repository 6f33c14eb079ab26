"""torchrun, with a connection to the parent: `python -m trueline_torch.agent OPTIONS`."""

import runpy

from .connection import Connection

if __name__ == "__main__":
    Connection({"agent": True})
    runpy.run_module("torch.distributed.run", run_name="__main__", alter_sys=True)
