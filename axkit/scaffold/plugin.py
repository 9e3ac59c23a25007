"""Write the skeleton of a plugin. Imports no torch."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from axkit.ground.atomic import atomic_folder
from axkit.ground.errors import PluginError, shown
from axkit.ground.registry import FAMILIES, KINDS, PASSES, RUNTIMES, TASKS, entries

_TEMPLATES = Path(__file__).with_name("templates")
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
GROUPS: dict[str, str] = {"pass": PASSES, "task": TASKS, "kind": KINDS, "family": FAMILIES, "runtime": RUNTIMES}


@dataclass(frozen=True)
class Plugin:
    """What a skeleton is made for.

    Attributes:
        name: of the entry point; of a family, the exact ``model_type``.
        what: one of ``GROUPS``.
    """

    name: str
    what: str

    @property
    def package(self) -> str:
        """Of the distribution."""
        return f"axkit-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        """What is imported."""
        return self.package.replace("-", "_")

    @property
    def words(self) -> Mapping[str, str]:
        """What the templates are filled with."""
        title = "".join(part.capitalize() for part in re.split("[_-]", self.name))
        return {"name": self.name, "package": self.package, "module": self.module, "title": title}


def planned(name: str, what: str) -> Plugin:
    """A plugin of that name.

    Raises:
        PluginError: no name for an entry point, or one that is taken.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise PluginError(f"'{shown(name)}' names no plugin: small letters, digits, - and _, a letter first")
    if name in entries(GROUPS[what]):
        raise PluginError(f"there is a {what} '{name}' already (`axkit {_plural(what)}`); give yours another name")
    if what == "family":
        _check_architecture(name)
    return Plugin(name, what)


def write_plugin(plugin: Plugin, into: Path) -> Path:
    """Write the package; the folder appears when it is whole.

    Raises:
        PluginError: there is something of that name already.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here: all commands come through this module

    target = into / plugin.package
    if target.exists():
        raise PluginError(f"{shown(str(target))} is there already; take another --out, or another name")
    filled = Environment(
        loader=FileSystemLoader(_TEMPLATES / plugin.what),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Python and TOML, filled with a name that was checked
    )
    with atomic_folder(target) as folder:
        for name in filled.list_templates():
            place = folder / name.replace("MODULE", plugin.module).removesuffix(".j2")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(filled.get_template(name).render(plugin.words), encoding="utf-8")
    return target


def _check_architecture(name: str) -> None:
    from difflib import get_close_matches

    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if name not in CONFIG_MAPPING_NAMES:
        near = get_close_matches(name, CONFIG_MAPPING_NAMES, 1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise PluginError(
            f"transformers knows no architecture '{name}'{hint}; give the model_type that stands in its config.json"
        )


def _plural(what: str) -> str:
    return {"pass": "passes", "family": "families"}.get(what, f"{what}s")
