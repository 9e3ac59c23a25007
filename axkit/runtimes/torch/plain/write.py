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
    """Write config.json of a carved or quantized model; returns the modeling file, where there can be one.

    There is none where a pass has put in a module that says no twin (:class:`axkit.kit.Plain`): such a folder loads
    with axkit alone.
    """
    own: Any = type(module)
    made = own if own.__name__.startswith("Axkit") else classes.model_class(own)
    stock = made.__mro__[1]
    ours = ("model_type", "axkit", "auto_map")
    fields: dict[str, Any] = {name: value for name, value in module.config.to_dict().items() if name not in ours}
    described = classes.describe(manifest.structure, manifest.trail)
    family = family_of(str(stock.config_class.model_type))
    found = changes(module, stock, stock.config_class(**fields), family)
    head = next((head for head in classes.HEADS if made.__name__.endswith(f"For{head}")), None)
    code = []
    if found is not None and head is not None:
        described["modules"] = [change.to_json() for change in found]
        names = {"AutoConfig": made.config_class.__name__, f"AutoModelFor{head}": made.__name__}
        fields["auto_map"] = {auto: f"{MODELING.removesuffix('.py')}.{name}" for auto, name in names.items()}
        code.append(folder / MODELING)
        code[0].write_text(_modeling_text(found), encoding="utf-8")
    config = made.config_class(**fields, axkit=described)
    config.architectures = [made.__name__]
    config.save_pretrained(folder)
    return code


def _modeling_text(found: list[Change]) -> str:
    """Our modeling file, and behind it the classes that passes bring along."""
    sources = sorted({change.source for change in found if change.source})
    texts = [inspect.getsource(import_module(source)).replace(_FUTURE, "", 1) for source in sources]
    return "\n\n".join([inspect.getsource(modeling_axkit), *texts])
