"""Errors with the codes of Trueline's registry (foundation/errors.ts)."""

import errno
import traceback

import torch

LOWER = "Lower pieceTokens or the stage's batch, turn activationCheckpointing or offload on, or take more processes."


class Failure(Exception):
    """An error that every process of the group raises alike, before any of them has changed anything."""

    def __init__(self, code: str, message: str, hint: str | None = None):
        super().__init__(message)
        self.code = code
        self.hint = hint


def describe_failure(error: BaseException) -> dict[str, str]:
    """An error as a message for the other side: code, message, hint, stack."""
    stack = "".join(traceback.format_exception(error))
    if isinstance(error, Failure):
        told = {"code": error.code, "message": str(error), "stack": stack}
        return told if error.hint is None else {**told, "hint": error.hint}
    if ran_out_of_memory(error):
        return {"code": "TL_BACKEND_OUT_OF_MEMORY", "message": f"Not enough memory: {first_line(error)}", "hint": LOWER, "stack": stack}
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return {"code": "TL_STORE_FULL", "message": str(error), "stack": stack}
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return {"code": "TL_STORE_DENIED", "message": str(error), "stack": stack}
    return {"code": "TL_INTERNAL", "message": f"{type(error).__name__}: {first_line(error)}", "stack": stack}


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the accelerator or the host has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = ("can't allocate memory", "out of memory", "bad_alloc", "cannot allocate memory")
    return isinstance(error, (RuntimeError, OSError)) and any(word in str(error).lower() for word in words)


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
