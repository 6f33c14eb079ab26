"""Greedy continuations by onnxruntime-genai, as JSON by directory.

usage: generate_genai.py TOKENS.json DIRECTORY...
"""
import json
import sys
from pathlib import Path

import onnxruntime_genai as genai


def continuation(directory, prompt, count):
    model = genai.Model(directory)
    parameters = genai.GeneratorParams(model)
    parameters.set_search_options(max_length=len(prompt) + count, do_sample=False)
    generator = genai.Generator(model, parameters)
    generator.append_tokens(prompt)
    while not generator.is_done():
        generator.generate_next_token()
    return [int(token) for token in generator.get_sequence(0)][len(prompt):]


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps({directory: continuation(directory, given, 12) for directory in sys.argv[2:]}))
