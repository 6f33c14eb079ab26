"""Tokenizers of several kinds, and what transformers makes of texts and dialogues with them.

usage: tokenizer_fixtures.py TEXTS.json DIRECTORY [OURS]
Trains and saves foreign tokenizers into DIRECTORY and describes them, and OURS (a directory that Trueline wrote), in
DIRECTORY/expected.json.
"""
import json
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
INST = ("{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + ' ' + eos_token }}"
        "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}")
DIALOGUES = [
    [dict(role="user", content="Where is the lamp?"), dict(role="assistant", content="In the hall. 大厅")],
    [dict(role="user", content="a"), dict(role="assistant", content="b"), dict(role="user", content="灯?"), dict(role="assistant", content=" ")],
]


def gpt2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)


def metaspace():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer, trainers.BpeTrainer(vocab_size=560, special_tokens=SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)], show_progress=False)


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    return tokenizer, trainers.UnigramTrainer(vocab_size=250, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)


def llama3():
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)


def llama2():
    """As transformers converts the SentencePiece model of Llama 2: no pre-tokenizer, a space before every piece between special tokens."""
    tokenizer, trainer = metaspace()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer, trainer


def qwen2():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)


#: What a published file has and a trained one has not.
PUBLISHED = {"llama2": dict(pre_tokenizer=None)}

KINDS = {"llama2": (llama2, INST, "</s>"), "qwen2": (qwen2, CHATML, "<|im_end|>"), "gpt2": (gpt2, CHATML, "<|im_end|>"), "metaspace": (metaspace, INST, "</s>"), "unigram": (unigram, INST, "</s>"), "llama3": (llama3, CHATML, "<|im_end|>")}


def save(directory, texts):
    for name, (build, template, end) in KINDS.items():
        tokenizer, trainer = build()
        tokenizer.train_from_iterator(texts * 3, trainer)
        # the trainer takes the bytes of byte fallback for special tokens; published files do not
        described = json.loads(tokenizer.to_str())
        described["added_tokens"] = [token for token in described["added_tokens"] if token["content"] in SPECIAL]
        tokenizer = Tokenizer.from_str(json.dumps({**described, **PUBLISHED.get(name, {})}))
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token=end, pad_token="<unk>",
                                       clean_up_tokenization_spaces=False)
        fast.chat_template = template
        fast.save_pretrained(directory / name)


def describe(directory, texts):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    return dict(
        size=len(tokenizer), eos=tokenizer.eos_token_id, pad=tokenizer.pad_token_id,
        ids=ids, decoded=[tokenizer.decode(row) for row in ids],
        dialogues=[
            dict(
                messages=messages,
                text=tokenizer.apply_chat_template(messages, tokenize=False),
                ids=tokenizer.apply_chat_template(messages, return_dict=False),
                prompt_text=tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True),
                prompt_ids=tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False),
            )
            for messages in DIALOGUES
        ],
    )


def main(texts_path, directory, *ours):
    texts = json.loads(Path(texts_path).read_text())
    save(directory, texts)
    expected = {name: describe(directory / name, texts) for name in KINDS}
    for path in ours:
        expected["ours"] = describe(Path(path), texts)
    (directory / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
