"""Model classes of our own, made from the family data: ``axkit_bert`` and its kin, for transformers' Auto classes.

A pruned checkpoint under the stock model_type would reload removed blocks as random weights with only a warning
(docs/decisions/0002), so anything that a stock class cannot rebuild gets one of these.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from axkit.anatomy.family import family_of
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import dense_structure
from axkit.contract.manifest import Manifest
from axkit.contract.registered import pass_of_trail
from axkit.contract.subject import Subject
from axkit.contract.trail import TrailStep
from axkit.ground import fence, registry
from axkit.ground.errors import CheckpointError
from axkit.runtimes.torch.module import ModuleBody

HEADS = ("SequenceClassification", "TokenClassification", "QuestionAnswering", "ImageClassification")
PREFIX = "axkit_"


@cache
def config_class(model_type: str) -> Any:
    """The config of ``axkit_<model_type>``: the stock one, and one field that says what is left."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    stock = CONFIG_MAPPING[model_type]
    body = {
        "model_type": PREFIX + model_type,
        "__annotations__": {"axkit": dict[str, Any] | None},
        "axkit": None,
        "__module__": __name__,
    }
    made = type(f"Axkit{stock.__name__}", (stock,), body)
    setattr(sys.modules[__name__], made.__name__, made)  # pickle (DataLoader workers) finds it by this name
    return made


@cache
def model_class(stock: Any) -> Any:
    """The class that rebuilds a carved or quantized ``stock`` model from its config."""
    config = config_class(str(stock.config_class.model_type))

    def __init__(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        vars(config).pop("auto_map", None)  # for where axkit is not; saved again, no modeling file would go along
        stock.__init__(self, config, *args, **kwargs)
        rebuild(self, config.axkit)

    body = {"__init__": __init__, "config_class": config, "__module__": __name__, "__doc__": model_class.__doc__}
    made = type(f"Axkit{stock.__name__}", (stock,), body)
    setattr(sys.modules[__name__], made.__name__, made)
    return made


def own_class(module: Any) -> Any:
    """The class that rebuilds a model, whether it is one of them or a stock one."""
    own: Any = type(module)
    return own if own.__name__.startswith("Axkit") else model_class(own)


def stock_fields(module: Any) -> dict[str, Any]:
    """Of a model's config, what the stock config has."""
    ours = ("model_type", "axkit", "auto_map")
    return {name: value for name, value in module.config.to_dict().items() if name not in ours}


def describe(structure: Structure, trail: Sequence[TrailStep]) -> dict[str, Any]:
    """The config field: everything that ``rebuild`` needs."""
    steps = [step.to_json(structure) for step in trail if step.state is not None]
    return {"structure": structure.to_json(), "trail": steps}


class _Unfinished(ModuleBody):
    """A model that is being built: passes put their modules back in, and nothing is saved or loaded."""

    def save(self, folder: Path, manifest: Manifest) -> list[Path]:
        raise NotImplementedError("a model that is being built")

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> Self:
        raise NotImplementedError("a model that is being built")


def rebuild(module: Any, described: Any) -> None:
    """Give a freshly made stock module the shapes that the config field describes; weights come after.

    Passes are followed in their order, as a pass may be carved after it has put its own modules in, or before. A step
    without a structure, as all were before axkit noted them, has the one that is left at the end.

    Raises:
        CheckpointError: the field is damaged, or needs a pass that is not installed.
    """
    if described is None:
        return
    family = family_of(str(module.config.model_type))
    end = Structure.from_json(described["structure"])
    steps = [TrailStep.from_json(data, end) for data in described["trail"]]
    subject = Subject(_Unfinished(module), None, family, dense_structure(module, family))
    _check_order(subject.structure, [*(step.structure or end for step in steps), end])
    for step in steps:
        subject.carve(step.structure or end)
        _restore(subject, step)
    subject.carve(end)


def _check_order(dense: Structure, then: Sequence[Structure]) -> None:
    """Each is what a step left of what the one before it had left."""
    now = dense
    for one in then:
        if (len(one.layers), one.n_heads, one.ffn_width) != (len(now.layers), now.n_heads, now.ffn_width):
            raise CheckpointError("the checkpoint's structure does not fit its own config; save the model again")
        if not one.is_within(now):
            raise CheckpointError(
                "a step of the checkpoint's trail has what an earlier one removed; save the model again"
            )
        now = one


def _restore(subject: Subject, step: TrailStep) -> None:
    ready = pass_of_trail(step.name, step.source, step.config)
    try:
        ready.runner.restore(subject, ready.config, step.state or {})
    except SystemExit as error:
        who = fence.whose("pass", step.name, step.source)
        raise CheckpointError(f"{who} tried to end the process in restore ({fence.why(error)}); mend it") from error


def __getattr__(name: str) -> Any:
    """Make a class when it is first asked for by name, as transformers' lazy mappings and pickle do."""
    for family, stock in names().items():
        if name == f"Axkit{stock.config}":
            return config_class(family)
        for model in stock.heads.values():
            if name == f"Axkit{model}":
                return model_class(getattr(import_module("transformers"), model))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class StockNames:
    """What transformers calls the config and the head models of one model_type."""

    config: str
    heads: dict[str, str]
    tokenizer: str | None


@cache
def names() -> dict[str, StockNames]:
    """model_type -> names, for every registered family that transformers has; imports no model."""
    configs = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES
    heads = import_module("transformers.models.auto.modeling_auto")
    tokenizers = import_module("transformers.models.auto.tokenization_auto").TOKENIZER_MAPPING_NAMES
    found = {}
    for model_type in registry.entries(registry.FAMILIES):
        if model_type in configs:
            models = {head: getattr(heads, _constant(head)).get(model_type) for head in HEADS}
            known = {head: name for head, name in models.items() if name}
            found[model_type] = StockNames(configs[model_type], known, tokenizers.get(model_type))
    return found


def register() -> None:
    """Enter every family's ``axkit_*`` into transformers' lazy mappings, by name alone: nothing is imported yet.

    The public ``register`` of the Auto classes wants the classes themselves, which cannot be had while transformers
    is importing them (docs/decisions/0002).
    """
    configs = import_module("transformers.models.auto.configuration_auto")
    models = import_module("transformers.models.auto.modeling_auto")
    tokenizers = import_module("transformers.models.auto.tokenization_auto")
    here = sys.modules[__name__]
    for family, stock in names().items():
        ours, config = PREFIX + family, f"Axkit{stock.config}"
        configs.CONFIG_MAPPING_NAMES[ours] = config
        configs.CONFIG_MAPPING._mapping[ours] = config
        module = configs.model_type_to_module_name(ours)  # a dash in a model_type is none in a module's name
        configs.CONFIG_MAPPING._modules[module] = here
        for head, model in stock.heads.items():
            lazy = getattr(models, _constant(head).removesuffix("_NAMES"))
            lazy._model_mapping[ours] = f"Axkit{model}"
            lazy._reverse_config_mapping[config] = ours
            lazy._modules[module] = here
        if stock.tokenizer:
            tokenizers.TOKENIZER_MAPPING_NAMES[ours] = stock.tokenizer
            tokenizers.TOKENIZER_MAPPING._reverse_config_mapping[config] = ours
            tokenizers.TOKENIZER_MAPPING._modules[module] = sys.modules["transformers"]


def _constant(head: str) -> str:
    words = "".join("_" + c if c.isupper() else c.upper() for c in head).lstrip("_")
    return f"MODEL_FOR_{words}_MAPPING_NAMES"
