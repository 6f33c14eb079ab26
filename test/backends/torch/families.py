"""
Tiny models of several families, written and read by transformers.

    python families.py write DIRECTORY    writes DIRECTORY/<family>, prints what transformers computes of each
    python families.py read DIRECTORY     prints the same of the models that are there now
"""

import json
import pathlib
import sys

import torch
from transformers import (
    AutoModelForCausalLM, Gemma2Config, GPT2Config, GPTNeoXConfig, LlamaConfig, MistralConfig, MixtralConfig, OPTConfig, Qwen3Config,
)

VOCABULARY = 40
SIZES = dict(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=None)
FAMILIES = {
    "llama3-rope": LlamaConfig(**SIZES, rope_parameters={
        "rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}),
    "mistral-window": MistralConfig(**SIZES, sliding_window=6),
    "qwen3": Qwen3Config(**SIZES, head_dim=8, tie_word_embeddings=True),
    "gemma2": Gemma2Config(**SIZES, head_dim=8, sliding_window=6, final_logit_softcapping=3.0, attn_logit_softcapping=5.0, query_pre_attn_scalar=8),
    "gpt2": GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2),
    "gpt-neox": GPTNeoXConfig(**{name: value for name, value in SIZES.items() if name != "num_key_value_heads"}),
    "opt": OPTConfig(vocab_size=VOCABULARY, hidden_size=16, ffn_dim=24, num_hidden_layers=2, num_attention_heads=4,
                     max_position_embeddings=64, word_embed_proj_dim=16, bos_token_id=1, eos_token_id=2, pad_token_id=1),
    "mixtral": MixtralConfig(**SIZES, num_local_experts=4, num_experts_per_tok=2),
}
ROWS = [[3, 9, 17, 5, 22, 31, 8, 12, 30, 4, 6], [11, 7, 25], [33, 2, 14, 20, 38, 21]]


def facts(directory: pathlib.Path) -> dict:
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    log_probabilities, greedy = [], []
    with torch.no_grad():
        for row in ROWS:
            tokens = torch.tensor([row])
            table = torch.log_softmax(model(tokens).logits[0].double(), -1)
            log_probabilities += [table[place, row[place + 1]].item() for place in range(len(row) - 1)]
            for _ in range(8):
                tokens = torch.cat([tokens, model(tokens).logits[:, -1:].argmax(-1)], -1)
            greedy.append(tokens[0, len(row):].tolist())
    return {"logProbabilities": log_probabilities, "greedy": greedy}


def main(command: str, home: pathlib.Path) -> None:
    if command == "write":
        for name, config in FAMILIES.items():
            torch.manual_seed(7)
            model = AutoModelForCausalLM.from_config(config)
            for parameter in model.parameters():
                parameter.data += 0.2 * torch.randn_like(parameter)
            model.save_pretrained(home / name)
    print(json.dumps({"rows": ROWS, "families": {name: facts(home / name) for name in FAMILIES}}))


main(sys.argv[1], pathlib.Path(sys.argv[2]))
