"""Writes the values that adapters are held to: PEFT in double precision on the models beside this file.

    .venv/bin/python test/golden/adapters.py

The adapters lie in PEFT's own files, as `save_pretrained` writes them; their numbers lie on float32 values.
"""

import json
import shutil

import numpy
import torch
from peft import LoraConfig, TaskType, get_peft_model

from generate import HERE, LOSSES, build, draw_part, exact, plain, quantities, random

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
#: Model, task, targets, rank, alpha, further settings, and the losses of each step's parts with their temperatures.
CASES = {
    "llama-biased": (TaskType.CAUSAL_LM, ALL, 3, 5, {}, [[("negativeLogLikelihood", 1.0)], [("clippedSurrogate", 0.8), ("ptx", 1.0)]]),
    "qwen2": (TaskType.CAUSAL_LM, ["q_proj", "down_proj"], 2, 4, dict(use_rslora=True), [[("surrogateWithEntropy", 1.0)]]),
    "llama-score": (TaskType.SEQ_CLS, ["q_proj", "v_proj"], 2, 8, {}, [[("pairwise", 1.0)]]),
    "llama-value": (TaskType.TOKEN_CLS, ALL, 4, 4, {}, [[("clippedValue", 1.0)]]),
}


def own_name(name):
    return name.removeprefix("base_model.model.").replace(".default.", ".").replace(".modules_to_save", "")


def trained(model):
    return {own_name(name): parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def step(adapted, inner, parts):
    adapted.zero_grad()
    losses = []
    for part in parts:
        arrays = {key: torch.tensor(array) for key, array in part["arrays"].items()}
        loss = LOSSES[part["loss"]](quantities(inner, part["batch"], part["temperature"]), arrays)
        loss.backward()
        losses.append(loss.item())
    norms = {name: parameter.grad.norm().item() for name, parameter in trained(adapted).items()}
    return dict(losses=losses, gradientNorm=float(numpy.linalg.norm(list(norms.values()))), normsByParameter=norms)


for name, (task, targets, rank, alpha, more, steps) in CASES.items():
    model = build(name)
    adapted = get_peft_model(model, LoraConfig(task_type=task, target_modules=targets, r=rank, lora_alpha=alpha, **more))
    for key, parameter in trained(adapted).items():
        parameter.data = torch.tensor(exact(random.normal(0, 0.2, tuple(parameter.shape))), dtype=torch.float64)
    inner = adapted.base_model.model
    document = dict(forward={}, steps=[])
    drawn = [[draw_part(inner, loss, temperature) for loss, temperature in losses] for losses in steps]
    batch = drawn[0][0]["batch"]
    document["forward"] = dict(batch=batch, expected={key: plain(value) for key, value in quantities(inner, batch).items()})
    with adapted.disable_adapter():
        document["forward"]["off"] = {key: plain(value) for key, value in quantities(inner, batch).items()}
    for parts in drawn:
        document["steps"].append(dict(parts=parts, expected=step(adapted, inner, parts)))
    directory = HERE / name / "adapter"
    shutil.rmtree(directory, ignore_errors=True)
    adapted.float().save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    arrays = lambda value: value.tolist() if isinstance(value, numpy.ndarray) else value
    lines = [f" {json.dumps(key)}: {json.dumps(value, default=arrays)}" for key, value in document.items()]
    (directory / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
