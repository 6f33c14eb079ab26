"""Loads adapters that Trueline wrote with PEFT and prints what they make of rows, as JSON by adapter.

usage: load_adapters.py ROWS.json (ARCHITECTURE BASE ADAPTER)...
"""
import json
import sys
from pathlib import Path

import torch
import transformers as hf
from peft import PeftModel

from model_fixtures import quantities


def describe(architecture, base, adapter, rows):
    labels = {} if architecture.endswith("ForCausalLM") else {"num_labels": 1}
    model = getattr(hf, architecture).from_pretrained(base, dtype=torch.float32, **labels)
    adapted = PeftModel.from_pretrained(model, adapter).eval()
    return quantities(adapted.merge_and_unload().eval(), rows)


if __name__ == "__main__":
    hf.logging.set_verbosity_error()
    given = json.loads(Path(sys.argv[1]).read_text())
    cases = [sys.argv[first:first + 3] for first in range(2, len(sys.argv), 3)]
    print(json.dumps({adapter: describe(architecture, base, adapter, given) for architecture, base, adapter in cases}))
