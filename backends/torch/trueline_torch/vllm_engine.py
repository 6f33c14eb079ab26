"""
The boundary's `generate` by vLLM: an engine in each process beside the models, asleep except while it samples. It draws by random
numbers of its own; what it is asked follows from the request alone, so that a resumed stage asks the same again. Log-probabilities
are those of the model itself: training compares the policy with what it was, not with another program's rounding of it.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers.pytorch_utils import Conv1D

from .adapters import MATRIX, names_on
from .failures import Failure
from .generation import Results, by_length
from .held import Held
from .model import HeadedModel
from .sampling import Filters
from .scoring import forward
from .settings import Settings
from .world import World


def check_vllm(world: World) -> str:
    """The version of vLLM. Fails where it does not compute on the device that the models lie on."""
    import vllm
    from vllm.platforms import current_platform

    if current_platform.device_type != world.device.type:
        raise Failure(
            "TL_BACKEND_PROVIDER_MISSING", f"vLLM {vllm.__version__} computes on {current_platform.device_type or 'no device that is here'}, and the stage on {world.device.type}",
            "Give the stage GPUs (\"resources\": {\"gpus\": 1}) on a worker that has them, or leave `generation` out.",
        )
    return vllm.__version__


def engine_arguments(directory: str, world: World, settings: Settings) -> dict[str, Any]:
    """What vLLM's LLM is made with. Weights are loaded from the policy, so that the files' are not read."""
    on_host = world.device.type != "cuda"
    return {
        "model": directory, "load_format": "dummy", "skip_tokenizer_init": True, "dtype": settings.dtype,
        # every process has an engine of its own, which knows of no other
        "tensor_parallel_size": 1, "distributed_executor_backend": "external_launcher" if world.size > 1 else "uni",
        "gpu_memory_utilization": settings.vllm_memory, "max_model_len": -1, "enable_sleep_mode": not on_host,
        # a prefix that is found in a cache is rounded otherwise than one that is computed, and a resumed stage has an empty cache
        "enable_prefix_caching": False, "logprobs_mode": "processed_logprobs", "disable_log_stats": True, "seed": 0,
        # on processors vLLM keeps a head of its own, packed, which new embeddings would not reach
        **({"enforce_eager": True, "hf_overrides": {"tie_word_embeddings": False}} if on_host else {}),
    }


def sampling_arguments(request: dict, filters: Filters, row: int) -> dict[str, Any]:
    """What vLLM's SamplingParams of one row are made with. vLLM's filters come in the same order as those of sampling.py."""
    most = request["maxNewTokens"]
    greedy = filters.temperature == 0
    return {
        "max_tokens": most, "stop_token_ids": request["endTokens"], "ignore_eos": True, "detokenize": False,
        "temperature": filters.temperature, "top_p": filters.top_p, "top_k": filters.top_k, "repetition_penalty": filters.repetition_penalty,
        "seed": None if greedy else seed_of(request["uniforms"].view(-1, most)[row]), "logprobs": 0 if filters.on else None,
    }


def seed_of(uniforms: Tensor) -> int:
    """A seed of 63 bits that follows from a row's uniform numbers."""
    return int.from_bytes(hashlib.sha256(uniforms.contiguous().numpy().tobytes()).digest()[:8], "big") >> 1


def note_row(results: Results, row: int, output: Any, ends: list[int]) -> None:
    """
    Writes what vLLM drew for a row.

    :param output: a CompletionOutput: token_ids, and where log-probabilities were asked for, logprobs, a table by token for each.
    """
    tokens = list(output.token_ids)
    results.tokens[row, :len(tokens)] = torch.tensor(tokens, dtype=torch.int32)
    results.lengths[row] = len(tokens)
    results.finished[row] = int(tokens[-1] in ends)
    if output.logprobs is not None:
        results.sampled[row, :len(tokens)] = torch.tensor([table[token].logprob for token, table in zip(tokens, output.logprobs)])


def whole_weights(module: HeadedModel, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    """
    A language model's weights as in its files, one after the other: gathered from all processes, and with its adapter folded in. On
    processors the head comes by its own name where it is tied, too.
    """
    weights = module.named_weights()
    head = module.causal.get_output_embeddings()
    own = [f"{name}.weight" for name, each in module.causal.named_modules() if each is head]
    for name, weight in weights.items():
        if MATRIX.fullmatch(name):
            continue
        value = whole(weight, device)
        a, b = names_on(name.removesuffix(".weight"))
        if a in weights:
            layer = module.causal.get_submodule(name.removesuffix(".weight"))
            product = whole(weights[b], device) @ whole(weights[a], device)
            value = value + layer.adapter_scale * (product.T if isinstance(layer, Conv1D) else product)
        yield name, value
        if device.type != "cuda" and weight is head.weight and name not in own:
            yield from ((each, value) for each in own)


def whole(weight: Tensor, device: torch.device) -> Tensor:
    weight = weight.detach().to(device)
    return weight.full_tensor() if isinstance(weight, DTensor) else weight


class VllmEngine:
    """One process's engine. It is made when it is first asked for, and samples from one model."""

    def __init__(self, world: World, settings: Settings):
        self.world, self.settings = world, settings
        self.llm: Any = None
        self.model = ""

    def generate(self, held: Held, model: str, request: dict) -> dict:
        prompts, ends = request["prompts"], request["endTokens"]
        filters = Filters.of(request)
        results = Results(len(prompts), request["maxNewTokens"])
        self.wake(held, model)
        for row, output in self.draw(request, filters, by_length(prompts, self.world), held.alive):
            note_row(results, row, output, ends)
        if self.sleeps:
            self.llm.sleep(level=2)
        answer = results.answer(self.world, filters.on)
        return {**answer, "logProbabilities": log_probabilities(held, prompts, answer["tokens"], filters.temperature or 1.0, self.world)}

    @property
    def sleeps(self) -> bool:
        """Whether its memory is given back between uses: weights and cache both."""
        return self.world.device.type == "cuda"

    def wake(self, held: Held, model: str) -> None:
        """Takes the engine's memory, and brings the model's weights in."""
        from vllm import LLM

        if self.sleeps:
            torch.cuda.empty_cache()
        if self.llm is None:
            self.llm = LLM(**engine_arguments(held.directory, self.world, self.settings))
            self.model = model
        elif model != self.model:
            raise Failure("TL_BACKEND_REQUEST_INVALID", f"vLLM samples from {self.model!r} here, and was asked for {model!r}", "Leave `generation` out of the stage.")
        elif self.sleeps:
            self.llm.wake_up(tags=["weights"])
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": whole_weights(held.module, self.world.device)})
        # room for keys and values only now, when no weight is gathered any more
        if self.sleeps and self.llm.llm_engine.is_sleeping():
            self.llm.wake_up(tags=["kv_cache"])

    def draw(self, request: dict, filters: Filters, rows: list[int], alive: Callable[[], None]) -> Iterator[tuple[int, Any]]:
        """What was drawn for each of the rows, as they end."""
        from vllm import SamplingParams

        engine = self.llm.llm_engine
        for row in rows:
            prompt = {"prompt_token_ids": request["prompts"][row].tolist()}
            engine.add_request(str(row), prompt, SamplingParams(**sampling_arguments(request, filters, row)))
        while engine.has_unfinished_requests():
            for output in engine.step():
                if output.finished:
                    yield int(output.request_id), output.outputs[0]
            alive()


def log_probabilities(held: Held, prompts: list[Tensor], answers: list[Tensor], temperature: float, world: World) -> list[Tensor]:
    """The model's own, of each answer's tokens."""
    batch = {
        "sequences": [torch.cat([prompt, answer]) for prompt, answer in zip(prompts, answers)],
        "targets": [torch.arange(len(answer), dtype=torch.int32) + len(prompt) for prompt, answer in zip(prompts, answers)],
    }
    found = forward(held, {"batch": batch, "quantities": ["logProbabilities"], "temperature": temperature}, world)
    return [part.clone() for part in found["logProbabilities"].split([len(answer) for answer in answers])]
