"""Messages as frames: a JSON header, and the raw arrays that it names.

An array is `{"$float32": [first, count]}` or `{"$int32": [first, count]}`, in elements of 4 bytes, little-endian, from the
start of the arrays; a number that JSON can't hold is `{"$number": "NaN" | "Infinity" | "-Infinity"}`. The other side
is backends/torch/frames.ts.
"""

import json
import math
from typing import Any

import torch

from .connection import Connection

TYPES = {"$float32": torch.float32, "$int32": torch.int32}
NAMES = {kind: name for name, kind in TYPES.items()}


def read_frame(connection: Connection) -> Any:
    """The next message."""
    header, arrays = connection.frames.get()
    return decode(json.loads(header), arrays)


def write_frame(connection: Connection, message: Any) -> None:
    body = bytearray()
    header = json.dumps(encode(message, body), allow_nan=False).encode()
    connection.send(header, body)


def decode(value: Any, arrays: bytearray) -> Any:
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (tag, content), = value.items()
        if tag in TYPES:
            first, count = content
            return torch.frombuffer(arrays, dtype=TYPES[tag], offset=4 * first, count=count) if count > 0 else torch.empty(0, dtype=TYPES[tag])
        if tag == "$number":
            return float(content)
    return {name: decode(item, arrays) for name, item in value.items()}


def encode(value: Any, body: bytearray) -> Any:
    """The value as JSON takes it; arrays are appended to the body."""
    if isinstance(value, torch.Tensor):
        first = len(body) // 4
        body += value.detach().cpu().contiguous().numpy().tobytes()
        return {NAMES[value.dtype]: [first, value.numel()]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$number": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, dict):
        return {name: encode(item, body) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item, body) for item in value]
    return value
