"""Random models of each family's shape as transformers makes them, and what transformers computes of each.

usage: parity.py DIRECTORY
Writes DIRECTORY/<family> (language model), DIRECTORY/<family>-score, DIRECTORY/<family>-value, and prints facts as JSON.
"""
import json
import sys
from pathlib import Path

import torch
import transformers as hf

from model_fixtures import batch, quantities, randomize

ROWS = [[5, 6, 7, 8, 9, 10, 11, 40, 3, 2, 71], [3, 30, 1], [12, 25, 13, 2, 37, 14, 3, 3, 9, 55, 60, 61, 62, 63, 64, 65, 20, 21]]
COMMON = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
              max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, initializer_range=0.25)
GPT2 = dict(vocab_size=96, n_embd=32, n_inner=48, n_layer=3, n_head=4, n_positions=64, pad_token_id=0, bos_token_id=1, eos_token_id=2, initializer_range=0.25)
LLAMA3 = dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = dict(rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=16)

FAMILIES = {
    "Llama 2": ("Llama", dict(num_key_value_heads=4)),
    "Llama 3, scaled positions (llama3)": ("Llama", dict(rope_parameters=LLAMA3)),
    "Llama, linear scaling": ("Llama", dict(rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.0))),
    "Llama, yarn scaling": ("Llama", dict(rope_parameters=YARN)),
    "SmolLM2 (Llama, tied embeddings)": ("Llama", dict(tie_word_embeddings=True, rope_theta=1e5)),
    "Mistral, window of 6": ("Mistral", dict(sliding_window=6)),
    "Qwen2, Qwen2.5": ("Qwen2", dict(tie_word_embeddings=True)),
    "Qwen2, window of 6 in one layer": ("Qwen2", dict(use_sliding_window=True, sliding_window=6, max_window_layers=2)),
    "Qwen3": ("Qwen3", dict(head_dim=16, tie_word_embeddings=True)),
    "GPT-2": ("GPT2", {}),
}
SUFFIXES = {"score": "ForSequenceClassification", "value": "ForTokenClassification"}


def greedy(model, row, count):
    """By full forward passes, without a cache."""
    tokens = list(row)
    with torch.no_grad():
        for _ in range(count):
            tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    return tokens[len(row):]


def gradient_norm(model, rows):
    """Of the negative sum of all log-probabilities."""
    model.zero_grad()
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None
    logits = model(**batch(rows, 0)).logits
    loss = -sum(row_logits.log_softmax(-1)[torch.arange(len(row) - 1), torch.tensor(row[1:])].sum() for row, row_logits in zip(rows, logits))
    loss.backward()
    return float(torch.sqrt(sum(parameter.grad.double().square().sum() for parameter in model.parameters() if parameter.grad is not None)))


def main(directory):
    hf.logging.set_verbosity_error()
    facts = {}
    for seed, (name, (family, extra)) in enumerate(FAMILIES.items()):
        torch.manual_seed(seed)
        own = {**(GPT2 if family == "GPT2" else COMMON), **extra}
        config_class = getattr(hf, f"{family}Config")
        found = {}
        for head in ("language", *SUFFIXES):
            language = "GPT2LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM"
            model_class = getattr(hf, language if head == "language" else family + SUFFIXES[head])
            model = model_class(config_class(**own, **({} if head == "language" else dict(num_labels=1)))).eval()
            randomize(model)
            place = directory / str(seed) / head
            model.save_pretrained(place)
            found |= quantities(model, ROWS)
            if head == "language":
                found |= dict(greedy=[greedy(model, row, 12) for row in ROWS], gradientNorm=gradient_norm(model, ROWS))
        facts[name] = dict(directory=str(directory / str(seed)), **found)
    print(json.dumps(dict(rows=ROWS, families=facts, versions=dict(torch=torch.__version__, transformers=hf.__version__))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
