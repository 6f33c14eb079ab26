"""What the engine asks of vLLM and makes of its answers, as JSON. Needs no vLLM: `python vllm.py`, with PYTHONPATH at the package."""

import json
import types

import torch

from trueline_torch.generation import Results
from trueline_torch.sampling import Filters
from trueline_torch.settings import Settings
from trueline_torch.vllm_engine import engine_arguments, note_row, sampling_arguments, seed_of

settings = Settings(device="cuda", dtype="float32", threads=1, piece_tokens=None, activation_checkpointing=False, offload=False, shard_bytes=1, vllm_memory=0.4)
world = lambda size, device: types.SimpleNamespace(size=size, device=torch.device(device))
uniforms = torch.tensor([0.25, 0.5, 0.75, 0.125])
request = {"maxNewTokens": 2, "endTokens": [2, 7], "uniforms": uniforms, "temperature": 0.8, "topP": 0.9, "topK": 5, "repetitionPenalty": 1.1}
asked = lambda change, row=0: sampling_arguments({**request, **change}, Filters.of({**request, **change}), row)

results = Results(3, 3)
drawn = lambda tokens, logprobs: types.SimpleNamespace(token_ids=tokens, logprobs=logprobs)
note_row(results, 2, drawn((5, 7), None), [2, 7])
tables = [{4: types.SimpleNamespace(logprob=-0.5)}, {6: types.SimpleNamespace(logprob=-1.5)}, {9: types.SimpleNamespace(logprob=-2.5)}]
note_row(results, 0, drawn((4, 6, 9), tables), [2, 7])

print(json.dumps({
    "engines": [engine_arguments("policy", world(size, device), settings) for size, device in ((1, "cuda"), (4, "cuda"), (1, "cpu"))],
    "rows": [asked({}), asked({}, 1), asked({"temperature": 0, "topP": 1, "topK": 0, "repetitionPenalty": 1})],
    "unfiltered": asked({"topP": 1, "topK": 0, "repetitionPenalty": 1}),
    "seeds": [str(seed_of(part)) for part in (uniforms[:2], uniforms[2:], uniforms[:2].clone(), uniforms)],
    "results": {name: values.tolist() for name, values in vars(results).items()},
}))
