"""config.json of a model of our own, and the modeling file by which transformers alone loads it."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

from axkit.anatomy.family import family_of
from axkit.contract.manifest import MODELING, Manifest
from axkit.runtimes.torch import classes
from axkit.runtimes.torch.plain import modeling_axkit
from axkit.runtimes.torch.plain.describe import Change, changes

_FUTURE = "from __future__ import annotations\n"


def save_config(module: Any, manifest: Manifest, folder: Path) -> list[Path]:
    """Write config.json of a carved or quantized model, and the modeling file; returns that.

    Where a pass has put in a module that says no twin (``axkit.kit.Plain``) the folder loads with axkit alone: all
    that the modeling file does then is to say so, where transformers would advise an upgrade of itself.
    """
    made = classes.own_class(module)
    fields, found = classes.stock_fields(module), _changes(module)
    described = classes.describe(manifest.structure, manifest.trail)
    names = {"AutoConfig": made.config_class.__name__}
    if found is not None:
        described["modules"] = [change.to_json() for change in found]
        names[f"AutoModelFor{_head(made)}"] = made.__name__
    fields["auto_map"] = {auto: f"{MODELING.removesuffix('.py')}.{name}" for auto, name in names.items()}
    code = folder / MODELING
    code.write_text(_refusal(manifest) if found is None else _text(found), encoding="utf-8")
    config = made.config_class(**fields, axkit=described)
    config.architectures = [made.__name__]
    config.save_pretrained(folder)
    return [code]


def _refusal(manifest: Manifest) -> str:
    """A modeling file of a model that transformers alone cannot make."""
    packages = sorted({"axkit", *(step.source.partition(" ")[0] for step in manifest.trail)})
    said = (
        f"this model has modules that transformers alone does not make: install {' and '.join(packages)}, and load it "
        f"by axkit.load(folder), or behind 'import axkit' by transformers without trust_remote_code"
    )
    return f'"""A model that axkit wrote, and that loads with axkit alone."""\n\nraise ImportError({said!r})\n'


def modeling_text(module: Any) -> str | None:
    """The modeling file that this axkit would write for a model; None where it would write none."""
    found = _changes(module)
    return None if found is None else _text(found)


def _head(made: Any) -> str | None:
    return next((head for head in classes.HEADS if made.__name__.endswith(f"For{head}")), None)


def _changes(module: Any) -> list[Change] | None:
    made = classes.own_class(module)
    stock = made.__mro__[1]
    if _head(made) is None:
        return None
    family = family_of(str(stock.config_class.model_type))
    return changes(module, stock, stock.config_class(**classes.stock_fields(module)), family)


def _text(found: list[Change]) -> str:
    """Our modeling file, and behind it the classes that passes bring along."""
    sources = sorted({change.source for change in found if change.source})
    texts = [inspect.getsource(import_module(source)).replace(_FUTURE, "", 1) for source in sources]
    return "\n\n".join([inspect.getsource(modeling_axkit), *texts])
