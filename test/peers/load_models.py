"""Loads model directories that Trueline wrote and prints what transformers makes of them, as JSON by directory.

usage: load_models.py ROWS.json DIRECTORY...
"""
import json
import sys
from pathlib import Path

import torch
import transformers as hf

from model_fixtures import quantities


def describe(directory, rows):
    architecture = json.loads((directory / "config.json").read_text())["architectures"][0]
    model, info = getattr(hf, architecture).from_pretrained(directory, dtype=torch.float32, output_loading_info=True)
    # twice over, so that the way back is checked too
    model.save_pretrained(directory / "again")
    return dict(
        architecture=architecture,
        loading={key: sorted(map(str, value)) for key, value in info.items() if value},
        parameters=model.num_parameters(),
        **quantities(model.eval(), rows),
    )


if __name__ == "__main__":
    hf.logging.set_verbosity_error()
    given = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps({directory: describe(Path(directory), given) for directory in sys.argv[2:]}))
