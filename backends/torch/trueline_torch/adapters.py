"""Low-rank adapters in PEFT's files: folded into weights as these are read, or trained on top of them."""

import dataclasses
import pathlib
import re

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from .failures import Failure
from .files import TensorFile, check_shape, missing
from .model import HeadedModel

FILE = "adapter_model.safetensors"
#: What PEFT puts before a module's name.
PREFIX = "base_model.model."
MATRIX = re.compile(r"(.*)\.lora_[AB]\.weight")


@dataclasses.dataclass
class Layer:
    """A layer that an adapter may stand on, as models/adapter.ts knows it."""

    module: str
    input: int
    output: int
    #: The weight lies [input, output].
    inputFirst: bool


Layers = dict[str, Layer]


def linear_layers(causal: PreTrainedModel) -> Layers:
    """All linear layers but the language head, by name."""
    layers = {}
    for name, layer in causal.named_modules():
        if isinstance(layer, nn.Linear) and layer is not causal.get_output_embeddings():
            layers[name] = Layer(name, layer.in_features, layer.out_features, False)
        elif isinstance(layer, Conv1D):
            layers[name] = Layer(name, layer.nx, layer.nf, True)
    return layers


class Adapter:
    """An adapter that lies in a file; tensors go by their names in the model."""

    def __init__(self, asked: dict, layers: Layers, head: dict[str, tuple[int, ...]]):
        """
        Fails with TL_MODEL_TENSORS where it was made for another model.

        :param asked: directory, rank and scale. :param head: shapes that a head may have which it was trained with.
        """
        self.path = pathlib.Path(asked["directory"]) / FILE
        self.rank, self.scale, self.layers = asked["rank"], asked["scale"], layers
        self.file = TensorFile(self.path)
        self.names = {name.removeprefix(PREFIX): name for name in self.file.names}
        self.modules = {match[1] for name in self.names if (match := MATRIX.fullmatch(name))}
        known = {name: shape for name, shape in head.items() if name in self.names}
        for layer in (layers[name] for name in self.modules if name in layers):
            known |= {f"{layer.module}.lora_A.weight": (self.rank, layer.input), f"{layer.module}.lora_B.weight": (layer.output, self.rank)}
        stranger = next((name for name in self.names if name not in known), None)
        if stranger is not None or not self.modules:
            wrong = "it has no tensors of an adapter" if stranger is None else f"tensor {stranger} belongs to no layer of the model"
            raise Failure("TL_MODEL_TENSORS", f"{self.path}: {wrong}", "The adapter was made for another model.")
        for name, shape in known.items():
            if name not in self.names:
                raise missing(name, self.path)
            check_shape(self.file.shape(self.names[name]), shape, name, self.path)

    def read(self, name: str) -> Tensor:
        return self.file.read(self.names[name]).to(torch.float32)

    @property
    def head(self) -> dict[str, Tensor]:
        return {name: self.read(name) for name in self.names if not MATRIX.fullmatch(name)}

    def matrices(self) -> dict[str, Tensor]:
        """A and B of each layer, in the model's order."""
        return {name: self.read(name) for module in self.layers if module in self.modules for name in names_on(module)}

    def fold(self, weight: Tensor, name: str) -> Tensor:
        """A weight with the adapter's product added, in doubles and rounded once."""
        module = name.removesuffix(".weight")
        if module == name or module not in self.modules:
            return weight
        a, b = (self.read(matrix).double() for matrix in names_on(module))
        product = (b @ a).T if self.layers[module].inputFirst else b @ a
        return (weight.double() + self.scale * product).to(torch.float32)


def names_on(module: str) -> tuple[str, str]:
    return f"{module}.lora_A.weight", f"{module}.lora_B.weight"


def prepare(module: HeadedModel, below: list[dict], asked: dict | None, hidden: int) -> tuple[list[Adapter], dict[str, Tensor], dict[str, Tensor]]:
    """
    Reads adapters, and puts matrices that are yet to be filled on the layers of the one that is trained.

    :param below: adapters to fold. :param asked: the one to train: rank and scale, and its directory or A by layer.
    :returns: those to fold, the weights of the heads that they bring, and what the matrices are filled with.
    """
    layers = linear_layers(module.causal)
    name = module.head_name or "score"
    head = {f"{name}.weight": (1, hidden), f"{name}.bias": (1,)}
    folded = [Adapter(each, layers, head) for each in below]
    brought = {name: weight for adapter in folded for name, weight in adapter.head.items()}
    if asked is None:
        return folded, brought, {}
    if "directory" in asked:
        resumed = Adapter(asked, layers, head)
        matrices = resumed.matrices()
        brought |= resumed.head
    else:
        matrices = new_matrices(asked["layers"], layers, asked["rank"])
    attach(module, [layer for layer in layers.values() if names_on(layer.module)[0] in matrices], asked["rank"], asked["scale"])
    return folded, brought, matrices


def new_matrices(drawn: dict[str, Tensor], layers: Layers, rank: int) -> dict[str, Tensor]:
    """:param drawn: A by layer. B is zero, so that a new adapter changes nothing."""
    matrices = {}
    for layer in (layers[name] for name in layers if name in drawn):
        a, b = names_on(layer.module)
        matrices |= {a: drawn[layer.module].reshape(rank, layer.input), b: torch.zeros(layer.output, rank)}
    return matrices


def attach(module: HeadedModel, layers: list[Layer], rank: int, scale: float) -> None:
    def add(layer: nn.Module, inputs: tuple[Tensor, ...], product: Tensor) -> Tensor:
        return product if module.adapter_off else product + scale * layer.lora_B(layer.lora_A(inputs[0]))

    for each in layers:
        layer = module.causal.get_submodule(each.module)
        layer.adapter_scale = scale
        layer.lora_A = nn.utils.skip_init(nn.Linear, each.input, rank, bias=False)
        layer.lora_B = nn.utils.skip_init(nn.Linear, rank, each.output, bias=False)
        layer.register_forward_hook(add)
