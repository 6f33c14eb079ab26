"""Writes the values that backends are held to: PyTorch and transformers in double precision on tiny models.

    python -m venv .venv && .venv/bin/pip install -r test/peers/requirements.txt
    .venv/bin/python test/golden/generate.py

Weights and given arrays lie on float32 values, so a double-precision backend that reads the files must agree to
rounding. No model has a padding token, because torch gives that row of the embedding no gradient. transformers computes norms, softmax and rotary angles in float32 whatever the model's type; here these places
are widened, and the result is checked against transformers as it is. Each row is computed alone, without padding.
"""

import copy
import json
import pathlib
import types

import numpy
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from transformers import (
    LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, LlamaForTokenClassification,
    Qwen2Config, Qwen2ForCausalLM,
    RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper,
)
from transformers.models.llama import modeling_llama
from transformers.models.qwen2 import modeling_qwen2

HERE = pathlib.Path(__file__).parent
VOCABULARY = 17
SIZES = dict(vocab_size=VOCABULARY, hidden_size=12, intermediate_size=10, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=32, bos_token_id=1, eos_token_id=2, pad_token_id=None)
LLAMA = dict(SIZES, head_dim=4, rms_norm_eps=1e-5)
MODELS = {
    "llama-tied": (LlamaForCausalLM, LlamaConfig(**LLAMA, rope_theta=10000.0, tie_word_embeddings=True)),
    "llama-biased": (LlamaForCausalLM, LlamaConfig(**LLAMA, rope_theta=500.0, tie_word_embeddings=False, attention_bias=True, mlp_bias=True)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**dict(SIZES, hidden_size=16), rope_theta=1e6, rms_norm_eps=1e-6, tie_word_embeddings=False)),
    "llama-score": (LlamaForSequenceClassification, LlamaConfig(**LLAMA, num_labels=1, tie_word_embeddings=False)),
    "llama-value": (LlamaForTokenClassification, LlamaConfig(**LLAMA, num_labels=1, tie_word_embeddings=False)),
}
ADAM = dict(learningRate=0.01, beta1=0.9, beta2=0.95, epsilon=1e-6, weightDecay=0.1, maxGradientNorm=0.5)

random = numpy.random.RandomState(20260101)


def exact(array):
    """Doubles on float32 values."""
    return numpy.asarray(array, dtype=numpy.float32).astype(numpy.float64)


class Doubles(types.ModuleType):
    """torch, where float32 is asked for by name gives double."""
    float32 = torch.float64
    float = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def build(name, widened=True):
    kind, config = MODELS[name]
    modules = (modeling_llama, modeling_qwen2)
    for module in modules:
        module.torch = Doubles("torch") if widened else torch
    torch.Tensor.float = torch.Tensor.double if widened else ORIGINAL_FLOAT
    torch.set_default_dtype(torch.float64 if widened else torch.float32)
    config = copy.deepcopy(config)
    config._attn_implementation = "eager"
    model = kind(config).eval()
    for key, parameter in model.named_parameters():
        parameter.data = torch.tensor(WEIGHTS[name][key], dtype=parameter.dtype)
    if name == "llama-score":
        head = torch.nn.Linear(config.hidden_size, VOCABULARY, bias=False)
        head.weight.data = torch.tensor(WEIGHTS[name]["lm_head.weight"], dtype=model.score.weight.dtype)
        model.add_module("lm_head", head)
    if config.tie_word_embeddings:
        model.tie_weights()
    return model


def draw_weights(name):
    kind, config = MODELS[name]
    shapes = {key: tuple(parameter.shape) for key, parameter in kind(copy.deepcopy(config)).named_parameters()}
    if name == "llama-score":
        shapes["lm_head.weight"] = (VOCABULARY, config.hidden_size)
    return {key: exact(random.normal(1.0 if "norm" in key else 0.0, 0.4, shape)) for key, shape in shapes.items()}


ORIGINAL_FLOAT = torch.Tensor.float
WEIGHTS = {name: draw_weights(name) for name in MODELS}


def draw_batch(rows, all_targets=False):
    """Rows of 2 to 9 tokens; the targets are the last ones of each row, or a scattered few."""
    sequences, targets = [], []
    for row in range(rows):
        length = int(random.randint(3, 10))
        sequences.append([int(token) for token in random.randint(0, VOCABULARY, length)])
        first = int(random.randint(1, length))
        chosen = range(1, length) if all_targets else range(first, length)
        targets.append([t for t in chosen if all_targets or row % 3 != 2 or t % 2 == 0])
    return dict(sequences=sequences, targets=targets)


def quantities(model, batch, temperature=1.0):
    """What the backend calls logProbabilities, entropy, values and scores, as tensors with gradients."""
    found = {"logProbabilities": [], "entropy": [], "values": [], "scores": []}
    for sequence, targets in zip(batch["sequences"], batch["targets"]):
        tokens = torch.tensor([sequence])
        before = [target - 1 for target in targets]
        if isinstance(model, LlamaForTokenClassification):
            found["values"].append(model(tokens).logits[0, before, 0])
            continue
        if isinstance(model, LlamaForSequenceClassification):
            found["scores"].append(model(tokens).logits[0])
            logits = model.lm_head(model.model(tokens).last_hidden_state)
        else:
            logits = model(tokens).logits
        distribution = F.log_softmax(logits[0, before] / temperature, dim=-1)
        found["logProbabilities"].append(distribution[range(len(targets)), [sequence[target] for target in targets]])
        found["entropy"].append(-(distribution.exp() * distribution).sum(-1))
    return {key: torch.cat(parts) for key, parts in found.items() if parts}


def plain(value):
    return value.detach().tolist() if isinstance(value, torch.Tensor) else value


# --- losses: each takes the quantities of a batch and its arrays, and returns one number ---

def mean_negative_log_likelihood(q, a):
    return -q["logProbabilities"].mean()


def pairwise(q, a):
    """P eq. 2: rows are the chosen answers, then the rejected ones; the LM term reads the chosen alone."""
    pairs = len(q["scores"]) // 2
    ranking = -F.logsigmoid(q["scores"][:pairs] - q["scores"][pairs:]).mean()
    return ranking + 0.5 * -(q["logProbabilities"] * a["chosenTokens"]).sum() / a["chosenTokens"].sum()


def clipped_surrogate(q, a):
    ratio = (q["logProbabilities"] - a["oldLogProbabilities"]).exp()
    return torch.maximum(-a["advantages"] * ratio, -a["advantages"] * ratio.clamp(0.8, 1.2)).mean()


def surrogate_with_entropy(q, a):
    return clipped_surrogate(q, a) - 0.01 * q["entropy"].clamp(max=ENTROPY_BOUND).mean()


def clipped_value(q, a):
    held = a["oldValues"] + (q["values"] - a["oldValues"]).clamp(-0.2, 0.2)
    return 0.5 * torch.maximum((q["values"] - a["returns"]) ** 2, (held - a["returns"]) ** 2).mean()


LOSSES = {
    "negativeLogLikelihood": mean_negative_log_likelihood, "pairwise": pairwise, "clippedSurrogate": clipped_surrogate,
    "surrogateWithEntropy": surrogate_with_entropy, "clippedValue": clipped_value,
    "ptx": lambda q, a: 0.1 * mean_negative_log_likelihood(q, a),
}
ENTROPY_BOUND = 1.9


def draw_arrays(loss, q, batch):
    """Arrays near the model's own quantities, so that clips take hold on some tokens and not on others."""
    around = lambda key, spread: exact(plain(q[key]) + random.normal(0, spread, len(q[key])))
    if loss in ("clippedSurrogate", "surrogateWithEntropy"):
        return dict(oldLogProbabilities=around("logProbabilities", 0.3), advantages=exact(random.normal(0, 1, len(q["logProbabilities"]))))
    if loss == "clippedValue":
        return dict(oldValues=around("values", 0.3), returns=around("values", 0.5))
    if loss == "pairwise":
        pairs = len(batch["sequences"]) // 2
        return dict(chosenTokens=exact([float(row < pairs) for row, targets in enumerate(batch["targets"]) for _ in targets]))
    return {}


def check_clips(loss, q, a):
    """Both sides of every clip must be seen."""
    outside = {
        "clippedSurrogate": lambda: ((q["logProbabilities"] - a["oldLogProbabilities"]).exp() - 1).abs() > 0.2,
        "surrogateWithEntropy": lambda: q["entropy"] > ENTROPY_BOUND,
        "clippedValue": lambda: (q["values"] - a["oldValues"]).abs() > 0.2,
    }
    if loss in outside:
        assert 0 < outside[loss]().sum() < len(outside[loss]()), loss


def run_step(model, parts):
    """Losses of the parts and gradients of their sum."""
    model.zero_grad()
    losses = []
    for part in parts:
        arrays = {key: torch.tensor(array) for key, array in part["arrays"].items()}
        found = quantities(model, part["batch"], part["temperature"])
        check_clips(part["loss"], found, arrays)
        loss = LOSSES[part["loss"]](found, arrays)
        loss.backward()
        losses.append(loss.item())
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    norms = {name: parameter.grad.norm().item() for name, parameter in model.named_parameters()}
    return dict(losses=losses, gradientNorm=float(numpy.linalg.norm(list(norms.values()))), normsByParameter=norms)


def draw_part(model, loss, temperature=1.0, rows=6):
    batch = draw_batch(rows, all_targets=loss == "ptx")
    arrays = draw_arrays(loss, quantities(model, batch, temperature), batch)
    return dict(loss=loss, temperature=temperature, batch=batch, arrays=arrays)


def training(model, steps):
    """Weights after AdamW on one part again and again, decay on matrices alone, everything stored in float32."""
    part = draw_part(model, "negativeLogLikelihood")
    groups = [
        dict(params=[p for p in model.parameters() if p.dim() > 1], weight_decay=ADAM["weightDecay"]),
        dict(params=[p for p in model.parameters() if p.dim() == 1], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=ADAM["learningRate"], betas=(ADAM["beta1"], ADAM["beta2"]), eps=ADAM["epsilon"])
    results, norms = {}, []
    for step in range(1, max(steps) + 1):
        norms.append(run_step(model, [part])["gradientNorm"])
        torch.nn.utils.clip_grad_norm_(model.parameters(), ADAM["maxGradientNorm"])
        optimizer.step()
        for parameter in model.parameters():
            state = optimizer.state[parameter]
            for tensor in (parameter.data, state["exp_avg"], state["exp_avg_sq"]):
                tensor.copy_(tensor.to(torch.float32))
        if step in steps:
            results[step] = {name: parameter.detach().numpy().astype(numpy.float32) for name, parameter in model.named_parameters()}
    return part, norms, results


def generation(model, temperature, top_p=1.0, top_k=0, repetition_penalty=1.0, new_tokens=12):
    """Tokens drawn by the inverse of the cumulative distribution in the order of token ids, with transformers' filters."""
    filters = [RepetitionPenaltyLogitsProcessor(repetition_penalty)] if repetition_penalty != 1 else []
    filters += [TemperatureLogitsWarper(temperature)] if temperature > 0 else []
    filters += [TopKLogitsWarper(top_k)] if top_k > 0 else []
    filters += [TopPLogitsWarper(top_p)] if top_p < 1 else []
    prompts = [[int(token) for token in random.randint(3, VOCABULARY, length)] for length in (5, 2, 3)]
    uniforms = exact(random.randint(0, 1 << 24, (len(prompts), new_tokens)) / (1 << 24))
    rows = []
    for prompt, numbers in zip(prompts, uniforms):
        row = dict(tokens=[], logProbabilities=[], sampledLogProbabilities=[], finished=False)
        for uniform in numbers:
            seen = torch.tensor([prompt + row["tokens"]])
            logits = offered = model(seen).logits[:, -1].detach()
            for apply in filters:
                offered = apply(seen, offered)
            offered = F.log_softmax(offered[0], dim=-1)
            token = int(offered.argmax()) if temperature == 0 else int((offered.exp().cumsum(0) > uniform).to(torch.int64).argmax())
            row["tokens"].append(token)
            row["logProbabilities"].append(F.log_softmax(logits[0] / (temperature or 1.0), dim=-1)[token].item())
            row["sampledLogProbabilities"].append(offered[token].item())
            if token == 2:
                row["finished"] = True
                break
        rows.append(row)
    request = dict(prompts=prompts, maxNewTokens=new_tokens, temperature=temperature, topP=top_p, topK=top_k,
                   repetitionPenalty=repetition_penalty, endTokens=[2], uniforms=plain(torch.tensor(uniforms.ravel())))
    return dict(request=request, rows=rows)


def check_against_plain_transformers(name, batch, widened):
    """The widened model is transformers' own, but for rounding."""
    narrow = quantities(build(name, widened=False), batch)
    build(name)  # leaves the widening on
    for key, values in widened.items():
        assert torch.allclose(values.to(torch.float32), narrow[key], atol=2e-5), (name, key)


def write(name, document):
    arrays = lambda value: value.tolist() if isinstance(value, numpy.ndarray) else value
    lines = [f" {json.dumps(key)}: {json.dumps(value, default=arrays)}" for key, value in document.items()]
    (HERE / name / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


PARTS = {
    "llama-tied": [
        [("negativeLogLikelihood", 1.0)], [("clippedSurrogate", 0.8)], [("surrogateWithEntropy", 1.0)],
        [("clippedSurrogate", 0.8), ("ptx", 1.0)],
    ],
    "llama-biased": [[("negativeLogLikelihood", 1.0)], [("surrogateWithEntropy", 0.7)], [("clippedSurrogate", 1.0), ("ptx", 1.0)]],
    "qwen2": [[("negativeLogLikelihood", 1.0)], [("clippedSurrogate", 1.3), ("ptx", 1.0)]],
    "llama-score": [[("pairwise", 1.0)]],
    "llama-value": [[("clippedValue", 1.0)]],
}

if __name__ == "__main__":
    for name in MODELS:
        directory = HERE / name
        directory.mkdir(exist_ok=True)
        model = build(name)
        config = model.config.to_dict()
        config.update(architectures=[type(model).__name__], dtype="float32")
        for volatile in ("transformers_version", "_name_or_path"):
            config.pop(volatile, None)
        (directory / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        save_file({key: array.astype(numpy.float32) for key, array in WEIGHTS[name].items()}, directory / "model.safetensors", metadata={"format": "pt"})

        batch, temperature = draw_batch(5), 0.9
        found = quantities(model, batch, temperature)
        check_against_plain_transformers(name, batch, quantities(model, batch))
        document = dict(forward=dict(batch=batch, temperature=temperature, expected={key: plain(value) for key, value in found.items()}), steps=[])
        for losses in PARTS[name]:
            parts = [draw_part(model, loss, temperature) for loss, temperature in losses]
            document["steps"].append(dict(parts=parts, expected=run_step(model, parts)))
        if name == "llama-biased":
            document["generations"] = [
                generation(model, 1.0), generation(model, 0.0), generation(model, 0.7, top_p=0.8), generation(model, 1.2, top_k=4),
                generation(model, 0.8, top_p=0.9, top_k=9, repetition_penalty=1.3), generation(model, 0.0, repetition_penalty=1.5),
            ]
            part, norms, results = training(model, steps=(1, 3))
            document["training"] = dict(part=part, optimizer=ADAM, gradientNorms=norms)
            for step, weights in results.items():
                save_file(weights, directory / f"after-{step}.safetensors")
        write(name, document)
