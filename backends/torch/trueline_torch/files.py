"""Hugging Face directories: config.json and tensors, read where they lie."""

import json
import pathlib
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .failures import Failure

TOKEN_FIELDS = ("bos_token_id", "eos_token_id", "pad_token_id")


class TensorFile:
    """The tensors of one safetensors file, by name, in the order of their bytes."""

    def __init__(self, path: pathlib.Path):
        try:
            self.file = safe_open(path, framework="pt")
        except FileNotFoundError:
            raise Failure("TL_MODEL_MISSING", f"{path} can't be opened", "A model directory has its weights as safetensors files.") from None
        except SafetensorError as error:
            raise Failure("TL_MODEL_FILE", f"{path}: {error}", "The file is damaged or incomplete; fetch or write it again.") from None
        self.path = path
        self.names = list(self.file.offset_keys())
        self.metadata: dict[str, str] = self.file.metadata() or {}

    def shape(self, name: str) -> list[int]:
        return list(self.file.get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        return self.file.get_tensor(name)

    def rows(self, name: str, first: int, count: int) -> Tensor:
        return self.file.get_slice(name)[first:first + count]


class ModelTensors:
    """All tensors of a directory: of model.safetensors, or of the shards that its index names."""

    def __init__(self, directory: pathlib.Path):
        whole, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
        if whole.exists():
            files = [TensorFile(whole)]
        elif index.exists():
            files = shards(index)
        else:
            raise Failure("TL_MODEL_MISSING", f"{directory} has neither {whole.name} nor {index.name}", "Point to a Hugging Face model directory.")
        self.directory = directory
        self.by_name: dict[str, TensorFile | None] = {name: file for file in files for name in file.names}

        self.converted: dict[str, Tensor] = {}

    def find(self, name: str, prefix: str) -> str | None:
        """The name under which a weight is there. Some models were saved from the decoder alone, without its prefix."""
        return next((known for known in (name, name.removeprefix(f"{prefix}.")) if known in self.by_name), None)

    def replaced(self, converted: dict[str, Tensor]) -> "ModelTensors":
        """With tensors that transformers made of those in the files."""
        self.converted = converted
        self.by_name = {**dict.fromkeys(converted), **self.by_name}
        return self

    def shape(self, name: str) -> list[int]:
        return list(self.converted[name].shape) if name in self.converted else self.by_name[name].shape(name)

    def read(self, name: str) -> Tensor:
        return self.converted[name] if name in self.converted else self.by_name[name].read(name)


def shards(index: pathlib.Path) -> list[TensorFile]:
    """The files beside an index that it names, each with the tensors that it says and no others."""
    def lie(wrong: str) -> Failure:
        return Failure("TL_MODEL_FILE", f"{index}: {wrong}", "The index and its shards must come from one save.")

    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise lie("it is not a JSON object with a weight_map of names to files")
    for name in weight_map.values():
        if not isinstance(name, str) or pathlib.PurePath(name).name != name or name.startswith("."):
            raise lie(f"weight_map names {name!r}; shards lie beside their index")
    files = [TensorFile(index.parent / name) for name in sorted(set(weight_map.values()))]
    for file in files:
        for name in file.names:
            if weight_map.get(name) != file.path.name:
                raise lie(f"tensor {name} is in {file.path.name}, which weight_map does not say")
    there = {name for file in files for name in file.names}
    for name, file_name in weight_map.items():
        if name not in there:
            raise lie(f"tensor {name} is not in {file_name}")
    return files


def read_json(path: pathlib.Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise Failure("TL_MODEL_MISSING", f"{path} is not there", "A model directory has config.json, model.safetensors and the tokenizer's files.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Failure("TL_MODEL_CONFIGURATION", f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Failure("TL_MODEL_CONFIGURATION", f"{path} is not a JSON object")
    return value


def read_config(directory: pathlib.Path) -> dict[str, Any]:
    """config.json, with the token ids of generation_config.json before its own, as in transformers."""
    config = read_json(directory / "config.json")
    generation = directory / "generation_config.json"
    told = read_json(generation) if generation.exists() else {}
    return {**config, **{field: told[field] for field in TOKEN_FIELDS if told.get(field) is not None}}


def check_shape(found: list[int], wanted: torch.Size | tuple[int, ...], name: str, where: object) -> None:
    if list(wanted) != found:
        raise Failure("TL_MODEL_TENSORS", f"{where}: tensor {name} has shape {found}", f"config.json promises {list(wanted)}.")


def missing(name: str, where: object) -> Failure:
    return Failure("TL_MODEL_TENSORS", f"{where}: tensor {name} is missing")
