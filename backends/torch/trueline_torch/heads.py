"""Which head a directory has, and how transformers names and writes each."""

import copy
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, PreTrainedConfig
from transformers.initialization import no_init_weights
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from .failures import Failure

CLASSES = {"score": AutoModelForSequenceClassification, "value": AutoModelForTokenClassification}
SUFFIXES = {"score": "ForSequenceClassification", "value": "ForTokenClassification"}
LABELS: dict[str, Any] = {"num_labels": 1, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
OWN_FIELDS: dict[str, dict[str, Any]] = {"language": {}, "score": LABELS, "value": {**LABELS, "classifier_dropout": 0}}


def stored_head(config: PreTrainedConfig, path: str) -> str:
    """The head that a directory's weights were written for. Fails with TL_MODEL_UNSUPPORTED."""
    name = next(iter(config.architectures or []), None)
    head = next((head for head, suffix in SUFFIXES.items() if name is not None and name.endswith(suffix)), "language")
    if head != "language":
        if config.num_labels != 1:
            raise Failure("TL_MODEL_UNSUPPORTED", f"{path}: num_labels is {config.num_labels}", "Reward and value models have one label.")
        return head
    causal = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    if causal is None or name not in (None, causal):
        found = f"model_type is {config.model_type!r}" if name is None else f"architectures is {name!r}"
        raise Failure("TL_MODEL_UNSUPPORTED", f"{path}: {found}", "A causal language model of transformers, or its classifier with one label.")
    return head


def head_layout(config: PreTrainedConfig, head: str, path: str) -> tuple[str, str, bool]:
    """How transformers writes a head: the class, the name of the linear layer, whether it has a bias."""
    config = copy.deepcopy(config)
    config.num_labels = 1
    try:
        with torch.device("meta"), no_init_weights():
            model = CLASSES[head].from_config(config)
    except ValueError:
        raise Failure("TL_MODEL_UNSUPPORTED", f"{path}: transformers has no {SUFFIXES[head]} of the model type {config.model_type!r}") from None
    layers = [(name, layer) for name, layer in model.named_children() if isinstance(layer, nn.Linear) and layer.out_features == 1]
    if len(layers) != 1:
        raise Failure("TL_MODEL_UNSUPPORTED", f"{path}: {type(model).__name__} has no single linear head")
    name, layer = layers[0]
    return type(model).__name__, name, layer.bias is not None
