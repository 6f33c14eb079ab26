"""What the processes are started with: the JSON in TRUELINE_TORCH, written by backends/torch/index.ts."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Settings:
    #: "auto", "cpu" or "cuda".
    device: str
    #: "float32" or "bfloat16": what is computed in. Trained weights and Adam's moments are float32 in both.
    dtype: str
    #: Threads of each process.
    threads: int
    #: Padded tokens computed at once by one process; None: by vocabulary.
    piece_tokens: int | None
    activation_checkpointing: bool
    #: Keeps weights, gradients and moments in the host's memory between uses.
    offload: bool
    #: Bytes of weights in one file, at most.
    shard_bytes: int
    #: vLLM samples, and takes this share of a GPU's memory while it does; None: it does not.
    vllm_memory: float | None
