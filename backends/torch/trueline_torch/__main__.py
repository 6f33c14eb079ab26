"""One process of the torch backend: `python -m trueline_torch`, alone or under torchrun."""

import os
import socket

import torch

from .failures import describe_failure
from .frames import write_frame
from .service import Service
from .settings import read_settings
from .world import World


def main() -> None:
    settings = read_settings()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(settings.socket)
    write_frame(connection, {"rank": int(os.environ.get("RANK", "0")), "process": os.getpid()})
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


main()
