"""Trains byte pairs with the tokenizers library and prints vocabulary and merges as JSON.

usage: train_bpe.py TEXTS.json VOCABULARY (han|words)
"""
import json
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def main(texts, vocabulary, isolate_han):
    tokenizer = Tokenizer(models.BPE())
    han = [pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated")] if isolate_han else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*han, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, min_frequency=2, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    print(json.dumps(dict(tokens=tokens, merges=model["merges"])))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]), sys.argv[3] == "han")
