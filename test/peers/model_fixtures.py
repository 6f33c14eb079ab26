"""Small random models as transformers saves them, with what transformers computes from them.

usage: model_fixtures.py DIRECTORY
"""
import json
import sys
from pathlib import Path

import torch
import transformers as hf

ROWS = [[5, 6, 7, 8, 9, 10, 11], [3, 30, 1], [12, 25, 13, 2, 37, 14, 3, 3, 9]]
SIZES = dict(vocab_size=38, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=24, pad_token_id=0, bos_token_id=1, eos_token_id=2,
             initializer_range=0.4)

ROPE = dict(rope_theta=40.0, factor=4.0, original_max_position_embeddings=16)
LLAMA3 = dict(rope_type="llama3", low_freq_factor=1.0, high_freq_factor=3.0, **ROPE)
YARN = dict(rope_type="yarn", **ROPE)
GPT2 = dict(n_embd=16, n_inner=20, n_layer=2, n_head=4, n_positions=24)


def sizes(config_class):
    """GPT-2 has names of its own."""
    if config_class is not hf.GPT2Config:
        return SIZES
    return {**GPT2, **{name: SIZES[name] for name in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "initializer_range")}}


CASES = {
    "llama-sharded": (hf.LlamaForCausalLM, hf.LlamaConfig, torch.float32, dict(attention_bias=True, mlp_bias=True, rope_theta=5e3, rms_norm_eps=1e-5), "4KB"),
    "qwen2-bfloat16": (hf.Qwen2ForCausalLM, hf.Qwen2Config, torch.bfloat16, dict(tie_word_embeddings=True), "5GB"),
    "mistral-float16": (hf.MistralForCausalLM, hf.MistralConfig, torch.float16, dict(head_dim=6, tie_word_embeddings=False), "5GB"),
    "llama-score": (hf.LlamaForSequenceClassification, hf.LlamaConfig, torch.float32, dict(num_labels=1, tie_word_embeddings=True), "5GB"),
    "mistral-score": (hf.MistralForSequenceClassification, hf.MistralConfig, torch.float32, dict(num_labels=1, tie_word_embeddings=True), "5GB"),
    "qwen2-value": (hf.Qwen2ForTokenClassification, hf.Qwen2Config, torch.float32, dict(num_labels=1, tie_word_embeddings=True), "5GB"),
    "llama-llama3": (hf.LlamaForCausalLM, hf.LlamaConfig, torch.float32, dict(rope_parameters=LLAMA3), "5GB"),
    "llama-yarn": (hf.LlamaForCausalLM, hf.LlamaConfig, torch.float32, dict(rope_parameters=YARN), "5GB"),
    "llama-linear": (hf.LlamaForCausalLM, hf.LlamaConfig, torch.float32, dict(rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.0)), "5GB"),
    "llama-dynamic": (hf.LlamaForCausalLM, hf.LlamaConfig, torch.float32, dict(rope_parameters=dict(rope_type="dynamic", rope_theta=1e4, factor=2.0)), "5GB"),
    "mistral-window": (hf.MistralForCausalLM, hf.MistralConfig, torch.float32, dict(sliding_window=3), "5GB"),
    "qwen2-window": (hf.Qwen2ForCausalLM, hf.Qwen2Config, torch.float32, dict(use_sliding_window=True, sliding_window=3, max_window_layers=1), "5GB"),
    "qwen3": (hf.Qwen3ForCausalLM, hf.Qwen3Config, torch.bfloat16, dict(head_dim=6, tie_word_embeddings=True), "5GB"),
    "qwen3-score": (hf.Qwen3ForSequenceClassification, hf.Qwen3Config, torch.float32, dict(head_dim=6, num_labels=1), "5GB"),
    "qwen3-value": (hf.Qwen3ForTokenClassification, hf.Qwen3Config, torch.float32, dict(head_dim=6, num_labels=1), "5GB"),
    "gpt2": (hf.GPT2LMHeadModel, hf.GPT2Config, torch.float32, {}, "4KB"),
    "gpt2-score": (hf.GPT2ForSequenceClassification, hf.GPT2Config, torch.float32, dict(num_labels=1), "5GB"),
    "gpt2-value": (hf.GPT2ForTokenClassification, hf.GPT2Config, torch.float32, dict(num_labels=1), "5GB"),
}


def randomize(model):
    """Norms and biases start at 1 and 0, where mistakes hide."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight") or ".ln_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.2)
            if name.endswith("bias"):
                parameter.copy_(torch.randn_like(parameter) * 0.3)


def batch(rows, pad):
    width = max(map(len, rows))
    tokens = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return dict(input_ids=tokens, attention_mask=mask)


def quantities(model, rows):
    """What a model says of rows, by the names of the backend boundary."""
    with torch.no_grad():
        logits = model(**batch(rows, model.config.pad_token_id)).logits
    name = type(model).__name__
    if name.endswith("ForSequenceClassification"):
        return dict(scores=logits[:, 0].tolist())
    if name.endswith("ForTokenClassification"):
        return dict(values=[value for row, row_logits in zip(rows, logits) for value in row_logits[: len(row) - 1, 0].tolist()])
    return dict(logProbabilities=[
        value
        for row, row_logits in zip(rows, logits.float().log_softmax(-1))
        for value in row_logits[torch.arange(len(row) - 1), torch.tensor(row[1:])].tolist()
    ])


def main(directory):
    hf.logging.set_verbosity_error()
    expected = {}
    for seed, (name, (model_class, config_class, dtype, extra, shard)) in enumerate(CASES.items()):
        torch.manual_seed(seed)
        model = model_class(config_class(**{**sizes(config_class), **extra}))
        randomize(model)
        model.to(dtype).save_pretrained(directory / name, max_shard_size=shard)
        loaded = model_class.from_pretrained(directory / name, dtype=torch.float32).eval()
        expected[name] = dict(rows=ROWS, parameters=loaded.num_parameters(), **quantities(loaded, ROWS))
    (directory / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
