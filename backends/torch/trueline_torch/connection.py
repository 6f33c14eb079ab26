"""
The connection to the parent, by which processes live: they end with it, whatever ends it. It is made before PyTorch is
imported, which takes seconds in which the parent may die.
"""

import json
import os
import queue
import socket
import struct
import threading
from typing import Any

LENGTHS = struct.Struct("<IQ")


class Connection:
    """Frames as they come: 4 and 8 bytes of lengths, a JSON header, and arrays."""

    def __init__(self, greeting: dict[str, Any]):
        self.settings: dict[str, Any] = json.loads(os.environ["TRUELINE_TORCH"])
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(self.settings.pop("socket"))
        self.frames: queue.SimpleQueue[tuple[bytearray, bytearray]] = queue.SimpleQueue()
        self.send(json.dumps({**greeting, "process": os.getpid()}).encode(), b"")
        threading.Thread(target=self.receive, daemon=True).start()

    def send(self, header: bytes, arrays: bytes | bytearray) -> None:
        self.socket.sendall(LENGTHS.pack(len(header), len(arrays)) + header)
        self.socket.sendall(arrays)

    def receive(self) -> None:
        """Takes frames in; the end of the connection ends the process, whatever it does just then."""
        try:
            while True:
                header_bytes, array_bytes = LENGTHS.unpack(self.read(LENGTHS.size))
                self.frames.put((self.read(header_bytes), self.read(array_bytes)))
        finally:
            os._exit(0)

    def read(self, length: int) -> bytearray:
        received = bytearray(length)
        view = memoryview(received)
        done = 0
        while done < length:
            count = self.socket.recv_into(view[done:])
            if count == 0:
                raise ConnectionError
            done += count
        return received
