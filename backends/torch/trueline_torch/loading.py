"""Loads a Hugging Face directory as a model under a head: built empty, filled from the files, sharded layer by layer."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard
from huggingface_hub.errors import StrictDataclassError
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from . import adapters
from .checkpoint import load_optimizer
from .failures import Failure, first_line
from .files import ModelTensors, check_shape, missing, read_config
from .heads import OWN_FIELDS, head_layout, stored_head
from .held import Held
from .model import HeadedModel
from .optimizer import Optimizer
from .pieces import piece_limit
from .settings import Settings
from .world import World


def inspect(directory: str) -> dict:
    """What a caller needs to know of a directory before it can say how a new head or a new adapter is made."""
    path = pathlib.Path(directory)
    config = configuration(path)
    with torch.device("meta"):
        causal = build(config)
    layers = [dataclasses.asdict(layer) for layer in adapters.linear_layers(causal).values()]
    return {"head": stored_head(config, str(path / "config.json")), "hidden": config.get_text_config().hidden_size, "layers": layers}


def load(request: dict, new_head: dict | None, settings: Settings, world: World, alive: Callable[[], None]) -> tuple[Held, dict]:
    """
    :param new_head: None where the directory has the head; else `{"weight", "bias"}`, or `{"mean", "std"}` for the stored
        score head as (score − mean) / std.
    :param request: as in backend.ts, but for `adapters`, each with its directory, rank and scale, and `adapter`, which has rank
        and scale, and either its directory or A by layer.
    """
    directory, head, trainable, asked = pathlib.Path(request["directory"]), request["head"], request["trainable"], request["adapter"]
    config = configuration(directory)
    causal = build(config)
    tensors = tensors_of(causal, directory)
    layout = None if head == "language" else head_layout(config, head, str(directory / "config.json"))
    module = assemble(causal, head, layout, tensors)
    below, brought, matrices = adapters.prepare(module, request["adapters"], asked, config.get_text_config().hidden_size)
    head_weights = make_head(module, new_head, tensors, brought, directory) if new_head is not None else {
        name: brought[name] for name in head_names(module) if name in brought
    }
    made = {**matrices, **head_weights}
    sources = find_sources(module, tensors, skip=made)

    def value_of(name: str) -> Tensor:
        alive()
        return made[name] if name in made else functools.reduce(lambda weight, adapter: adapter.fold(weight, name), below, tensors.read(sources[name]))

    module.requires_grad_(trainable and asked is None)
    trained = [*matrices, *(head_names(module) if asked is not None else ())]
    for name, weight in module.named_weights().items():
        if name in trained:
            weight.requires_grad_(True)
    fill_and_shard(module, value_of, settings, world, trainable)
    weights = module.named_weights()
    place = {name: at for at, name in enumerate(tensors.by_name)}
    order = sorted(weights, key=lambda name: place.get(sources.get(name, ""), len(place))) if asked is None else trained
    optimizer = None
    if trainable:
        optimizer = Optimizer({name: weights[name] for name in order})
        if request.get("optimizer"):
            load_optimizer(optimizer, pathlib.Path((asked or request).get("directory", directory)), alive)
    text = config.get_text_config()
    held = Held(
        module=module, head=head, directory=str(directory), config=config_to_write(directory, head, layout, config), order=order, is_adapter=asked is not None, optimizer=optimizer,
        piece_limit=piece_limit(settings.piece_tokens, text.vocab_size), cache_bytes=cache_bytes(text, settings), alive=alive,
    )
    information = {
        "parameters": sum(weight.numel() for weight in weights.values()), "trained": sum(weights[name].numel() for name in order) if trainable else 0,
        "headModule": module.head_name, "vocabulary": text.vocab_size,
        "context": text.max_position_embeddings, "headIsNew": new_head is not None, "languageHead": module.has_language_head,
    }
    return held, information


def configuration(directory: pathlib.Path) -> PreTrainedConfig:
    path = directory / "config.json"
    read_config(directory)
    try:
        return AutoConfig.from_pretrained(directory, local_files_only=True)
    except StrictDataclassError as error:
        raise Failure("TL_MODEL_CONFIGURATION", f"{path}: {str(error).splitlines()[-1].strip()}", "transformers refuses the model.") from None
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise Failure("TL_MODEL_UNSUPPORTED", f"{path}: {first_line(error)}", "A model type that the installed transformers knows.") from None


def build(config: PreTrainedConfig) -> PreTrainedModel:
    """The model with weights that are not yet there: their memory is taken when they are filled."""
    with no_init_weights():
        causal = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    causal.tie_weights()
    causal.requires_grad_(True)
    for module in causal.modules():
        # torch gives a padding token's embedding no gradient; here nothing is padding
        if isinstance(module, nn.Embedding):
            module.padding_idx = None
    return causal.eval()


def tensors_of(causal: PreTrainedModel, directory: pathlib.Path) -> ModelTensors:
    """The directory's tensors; those of older or published layouts as transformers renames and joins them."""
    tensors = ModelTensors(directory)
    found = {name: tensors.find(name, causal.base_model_prefix) for name, _ in causal.named_parameters()}
    strange = [name for name in tensors.by_name if name not in found.values() and not name.startswith(("score.", "classifier."))]
    if None not in found.values() or not strange:
        return tensors
    converted, information = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, local_files_only=True, output_loading_info=True)
    for name in information["missing_keys"]:
        raise missing(name, directory)
    return tensors.replaced({name: parameter.data for name, parameter in converted.named_parameters()})


def assemble(causal: PreTrainedModel, head: str, layout: tuple[str, str, bool] | None, tensors: ModelTensors) -> HeadedModel:
    language = causal.get_output_embeddings()
    own = [name for name, parameter in causal.named_parameters() if parameter is language.weight]
    tied = language.weight is causal.get_input_embeddings().weight
    # transformers saves reward models without a language head
    has_language_head = head == "language" or (head == "score" and (tied or all(name in tensors.by_name for name in own)))
    if layout is None:
        return HeadedModel(causal, None, None, has_language_head)
    _, name, bias = layout
    linear = nn.utils.skip_init(nn.Linear, language.weight.shape[1], 1, bias=bias)
    return HeadedModel(causal, name, linear, has_language_head).eval()


def head_names(module: HeadedModel) -> Iterable[str]:
    return [name for name in module.named_weights() if name.startswith(f"{module.head_name}.")]


def find_sources(module: HeadedModel, tensors: ModelTensors, skip: Iterable[str]) -> dict[str, str]:
    """Where each weight lies in the files."""
    sources = {}
    for name, weight in module.named_weights().items():
        if name in skip:
            continue
        source = tensors.find(name, module.causal.base_model_prefix)
        if source is None:
            raise missing(name, tensors.directory)
        check_shape(tensors.shape(source), weight.shape, source, tensors.directory)
        sources[name] = source
    return sources


def make_head(module: HeadedModel, recipe: dict, tensors: ModelTensors, brought: dict[str, Tensor], directory: pathlib.Path) -> dict[str, Tensor]:
    """:param brought: heads of adapters, which take the place of the directory's."""
    weight_name, bias_name = f"{module.head_name}.weight", f"{module.head_name}.bias"
    shape = getattr(module, module.head_name).weight.shape
    if "weight" in recipe:
        weight, bias = recipe["weight"].reshape(shape), recipe["bias"]
    else:
        if weight_name not in brought and weight_name not in tensors.by_name:
            raise missing(weight_name, directory)
        stored = brought[weight_name] if weight_name in brought else tensors.read(weight_name)
        check_shape(list(stored.shape), shape, weight_name, directory)
        weight = (stored.double() / recipe["std"]).float()
        bias = -recipe["mean"] / recipe["std"]
    values = {weight_name: weight, bias_name: torch.tensor([bias], dtype=torch.float32)}
    return {name: values[name] for name in head_names(module)}


def fill_and_shard(module: HeadedModel, value_of: Callable[[str], Tensor], settings: Settings, world: World, trainable: bool) -> None:
    """Layer by layer, so that no process holds more than its rows and one layer."""
    compute = getattr(torch, settings.dtype)
    names = {parameter: name for name, parameter in module.named_weights().items()}
    head = getattr(module, module.head_name) if module.head_name is not None else None
    layers = [layer for layer in module.causal.modules() if type(layer).__name__ in (module.causal._no_split_modules or ())]
    for part in [*layers, *([] if head is None else [head]), module]:
        for parameter in part.parameters():
            if parameter in names:
                value = value_of(names.pop(parameter)).to(torch.float32 if part is head or parameter.requires_grad else compute)
                # files are mapped: a weight that changes must not lie in one, others may
                parameter.data = value if world.sharded else value.to(world.device, copy=parameter.requires_grad)
        if world.sharded:
            fully_shard(
                part, mesh=world.mesh,
                mp_policy=MixedPrecisionPolicy() if part is head else MixedPrecisionPolicy(param_dtype=compute, reduce_dtype=torch.float32),
                offload_policy=CPUOffloadPolicy(pin_memory=world.device.type == "cuda") if settings.offload else OffloadPolicy(),
            )
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)
    if not world.sharded:
        module.to(world.device)
    if settings.activation_checkpointing and trainable:
        for layer in layers:
            layer.forward = recomputed(layer.forward)


def recomputed(forward: Callable) -> Callable:
    """The same, computed a second time for its gradient instead of kept."""
    @functools.wraps(forward)
    def run(*given, **named):
        if not torch.is_grad_enabled():
            return forward(*given, **named)
        return checkpoint(forward, *given, use_reentrant=False, **named)
    return run


def config_to_write(directory: pathlib.Path, head: str, layout: tuple[str, str, bool] | None, config: PreTrainedConfig) -> dict:
    """config.json for float32 weights under the head: all else as it was found."""
    kept = {name: value for name, value in read_config(directory).items() if name != "dtype"}
    if layout is None:
        labels = set(OWN_FIELDS["value"])
        kept = {name: value for name, value in kept.items() if name not in labels}
    name = AutoModelForCausalLM._model_mapping[type(config)].__name__ if layout is None else layout[0]
    return {**kept, "architectures": [name], **OWN_FIELDS[head], "torch_dtype": "float32"}


def cache_bytes(config: PreTrainedConfig, settings: Settings) -> int:
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * heads * width * (2 if settings.dtype == "bfloat16" else 4)
