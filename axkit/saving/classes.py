"""Model classes of our own, made from the family data: ``axkit_bert`` and its kin, for transformers' Auto classes.

A pruned checkpoint under the stock model_type would reload removed blocks as random weights with only a warning
(docs/decisions/0002), so anything that a stock class cannot rebuild gets one of these.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

from axkit import registry
from axkit.anatomy.family import Family, family_of
from axkit.anatomy.structure import Structure
from axkit.anatomy.surgery import carve, dense_structure
from axkit.errors import AxkitError, CheckpointError
from axkit.subject import Subject, TrailStep

HEADS = ("SequenceClassification", "TokenClassification", "QuestionAnswering")
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
        stock.__init__(self, config, *args, **kwargs)
        rebuild(self, config.axkit)

    body = {"__init__": __init__, "config_class": config, "__module__": __name__, "__doc__": model_class.__doc__}
    made = type(f"Axkit{stock.__name__}", (stock,), body)
    setattr(sys.modules[__name__], made.__name__, made)
    return made


def describe(subject: Subject) -> dict[str, Any]:
    """The config field: everything that :func:`rebuild` needs."""
    steps = [step.to_json() for step in subject.trail if step.state is not None]
    return {"structure": subject.structure.to_json(), "trail": steps}


def rebuild(module: Any, described: Any) -> None:
    """Give a freshly made stock module the shapes that the config field describes; weights come after.

    Raises:
        CheckpointError: the field is damaged, or needs a pass that is not installed.
    """
    if described is None:
        return
    family = family_of(str(module.config.model_type))
    structure = Structure.from_json(described["structure"])
    dense = dense_structure(module, family)
    if len(structure.layers) != len(dense.layers) or structure.n_heads != dense.n_heads:
        raise CheckpointError("the checkpoint's structure does not fit its own config; save the model again")
    carve(module, family, dense, structure)
    subject = Subject(module, family, structure)
    for data in described["trail"]:
        step = TrailStep.from_json(data)
        try:
            pass_class = registry.get(registry.PASSES, step.name)
        except AxkitError as error:
            raise CheckpointError(f"this model needs the pass '{step.name}' of {step.source}: {error}") from error
        pass_class().restore(subject, pass_class.Config.model_validate(step.config), step.state)


def _families() -> list[Family]:
    found = []
    for entry in registry.entries(registry.FAMILIES).values():
        try:
            family: Family = entry.load()
        except AxkitError:  # told by `axkit families`; a broken stranger must not stop everyone's loading
            continue
        found.append(family)
    return found


def register_configs() -> None:
    """Make AutoConfig know every family's ``axkit_*``."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, AutoConfig

    for family in _families():
        if family.model_type in CONFIG_MAPPING:
            AutoConfig.register(PREFIX + family.model_type, config_class(family.model_type), exist_ok=True)


def register_models() -> None:
    """Make the Auto classes of :data:`HEADS` know every family's ``axkit_*``."""
    register_configs()
    auto = import_module("transformers.models.auto.modeling_auto")
    mapping = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    for family in _families():
        if family.model_type not in mapping:
            continue
        stock_config = mapping[family.model_type]
        for head in HEADS:
            known = getattr(auto, _constant(head))
            if stock_config in known:
                made = model_class(known[stock_config])
                getattr(auto, f"AutoModelFor{head}").register(made.config_class, made, exist_ok=True)


def register_tokenizers() -> None:
    """Make AutoTokenizer serve ``axkit_*`` with the stock tokenizers."""
    auto = import_module("transformers.models.auto.tokenization_auto")
    mapping = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    for family in _families():
        if family.model_type in mapping and mapping[family.model_type] in auto.TOKENIZER_MAPPING:
            stock = auto.TOKENIZER_MAPPING[mapping[family.model_type]]
            made = config_class(family.model_type)
            if stock is not None and made not in auto.TOKENIZER_MAPPING._extra_content:
                auto.TOKENIZER_MAPPING.register(made, stock, exist_ok=True)


def _constant(head: str) -> str:
    words = "".join("_" + c if c.isupper() else c.upper() for c in head).lstrip("_")
    return f"MODEL_FOR_{words}_MAPPING"
