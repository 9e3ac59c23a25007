"""Text to Recipe. Every value knows its line, so that every fault can name it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from axkit.errors import RecipeError, did_you_mean

Location = tuple[str | int, ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Budget(_Frozen):
    """What a stage may cost; a stage that costs more is undone."""

    max_drop: float = Field(
        ge=0, description="Points of the task's metric, on the search split, below the stage before."
    )


class Samples(_Frozen):
    """How many rows of each split to use; a fixed, hash-chosen subset. None is all."""

    train: int | None = Field(None, ge=1)
    search: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)


class Step(BaseModel):
    """One pass and its settings; keys other than these two belong to the pass."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    name: str = Field(alias="pass")
    budget: Budget | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The keys that the pass's own Config checks."""
        return dict(self.model_extra or {})


class Recipe(_Frozen):
    """What the user wrote.

    Attributes:
        axkit: version of the recipe format.
        name: names the run folder.
        model: a registered model, a folder, or a hub id.
        task: a registered task, ``glue/...``, or a mapping that describes one (see ``axkit.tasks.spec``).
        seed: of everything random, 0 .. 2**31 - 1.
        samples: rows to use of each split.
        passes: applied in order.
    """

    axkit: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    model: str = Field(min_length=1)
    task: str | dict[str, Any]
    seed: int = Field(42, ge=0, lt=2**31)
    samples: Samples = Samples()
    passes: Annotated[tuple[Step, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)] = Field(
        min_length=1
    )

    @classmethod
    def read(cls, text: str) -> Recipe:
        """Parse YAML text.

        Raises:
            RecipeError: with all faults.
        """
        return read_source(text, "recipe").recipe

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Parse a YAML file.

        Raises:
            RecipeError: with all faults, or when the file cannot be read.
        """
        return load_source(path).recipe


@dataclass(frozen=True)
class Source:
    """A recipe with the text it was read from.

    Attributes:
        recipe: parsed, overrides applied.
        text: word for word.
        label: the file's name, for messages.
        lines: location of a key or item -> 1-based line.
        overrides: the ``--set`` values, as given.
    """

    recipe: Recipe
    text: str
    label: str
    lines: Mapping[Location, int] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()

    def place(self, location: Location) -> str:
        """``file.yaml, line 12`` of the nearest thing that has a line."""
        return place(self.label, self.lines, location)


def place(label: str, lines: Mapping[Location, int], location: Location) -> str:
    """Name the file and line of a location, or of what encloses it."""
    while location not in lines and location:
        location = location[:-1]
    return f"{label}, line {lines[location]}" if location in lines else label


def load_source(path: str | Path, overrides: Sequence[str] = ()) -> Source:
    """Read a recipe file and apply ``--set`` overrides (``passes.2.vote=0.6``; passes count from 0).

    Raises:
        RecipeError: all faults at once.
    """
    return read_source(_read_text(path, "recipe"), Path(path).name, overrides)


def load_mapping(path: str | Path, what: str) -> tuple[dict[str, Any], Mapping[Location, int]]:
    """A YAML file that holds something else than a recipe: its mapping, and the line of every key and item.

    Args:
        path: of the file.
        what: the thing that it holds, for messages ("task").

    Raises:
        RecipeError: no such file, not UTF-8, not YAML, or no mapping.
    """
    return _parse(_read_text(path, what), Path(path).name, f"a {what} file is a mapping of keys to values")


def _read_text(path: str | Path, what: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"no {what} at {path}: give the path of a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{what} {path} cannot be read as UTF-8 text ({error})") from error


def read_source(text: str, label: str, overrides: Sequence[str] = ()) -> Source:
    """As :func:`load_source`, from text."""
    tree, lines = _parse(text, label, "a recipe is a mapping that starts with 'axkit: 1'")
    for override in overrides:
        _override(tree, override)
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError([_sentence(fault, label, lines, Recipe) for fault in error.errors()]) from error
    return Source(recipe, text, label, lines, tuple(overrides))


def _parse(text: str, label: str, expected: str) -> tuple[dict[str, Any], dict[Location, int]]:
    try:
        loaded = YAML(typ="rt").load(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        problem = str(error.problem or "not valid YAML").splitlines()[0]
        raise RecipeError(f"{label}{where}: {problem}; mend the YAML there") from error
    except Exception as error:  # ruamel raises plain errors for some broken inputs (control characters, bad tags)
        raise RecipeError(f"{label}: not valid YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(loaded, CommentedMap):
        raise RecipeError(f"{label}: {expected}")
    lines: dict[Location, int] = {}
    return _plain(loaded, (), lines), lines


def _plain(node: Any, at: Location, lines: dict[Location, int]) -> Any:
    """Turn ruamel's nodes into plain Python, and note the line of every key and item."""
    if isinstance(node, CommentedMap):
        for key in node:
            lines[(*at, key)] = node.lc.key(key)[0] + 1
        return {str(key): _plain(value, (*at, key), lines) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            lines[(*at, index)] = node.lc.item(index)[0] + 1
        return [_plain(value, (*at, index), lines) for index, value in enumerate(node)]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _override(tree: dict[str, Any], override: str) -> None:
    """Put one ``path=value`` into the tree; the value is YAML."""
    path, equals, raw = override.partition("=")
    if not equals or not path:
        raise RecipeError(f"--set {override}: write it as path=value, for example passes.0.epochs=1")
    node: Any = tree
    keys = path.split(".")
    for key in keys[:-1]:
        if isinstance(node, list):
            node = node[_index(node, key, override)]
        elif isinstance(node, dict):
            node = node.setdefault(key, {})
        if not isinstance(node, dict | list):
            raise RecipeError(f"--set {override}: '{key}' holds a single value, nothing can be set inside it")
    try:
        value = _plain(YAML(typ="rt").load(raw), (), {})
    except MarkedYAMLError as error:
        raise RecipeError(f"--set {override}: '{raw}' is not a YAML value") from error
    if isinstance(node, list):
        node[_index(node, keys[-1], override)] = value
    else:
        node[keys[-1]] = value


def _index(node: list[Any], key: str, override: str) -> int:
    if not key.isdigit() or int(key) >= len(node):
        raise RecipeError(f"--set {override}: '{key}' is no index of a list with {len(node)} items (0 is the first)")
    return int(key)


def _sentence(fault: Any, label: str, lines: Mapping[Location, int], model: type[BaseModel]) -> str:
    """One pydantic fault as one sentence."""
    return fault_sentence(fault, model, place(label, lines, tuple(fault["loc"])))


def fault_sentence(fault: Any, model: type[BaseModel], where: str, what: str = "") -> str:
    """Word a pydantic fault: place, key, what is wrong, the nearest right name.

    Args:
        fault: one item of ``ValidationError.errors()``.
        model: the model that was validated, for the names it knows.
        where: the place, in words.
        what: the thing that has the keys ("pass 'int8'"), or "".
    """
    location = tuple(fault["loc"])
    key = ".".join(str(part) for part in location)
    of = f" of {what}" if what else ""
    if fault["type"] == "extra_forbidden":
        inner = model
        for part in location[:-1]:
            annotation = inner.model_fields[str(part)].annotation if str(part) in inner.model_fields else None
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                inner = annotation
        known = [f.alias or name for name, f in inner.model_fields.items()]
        return f"{where}: unknown key '{key}'{of}{did_you_mean(str(location[-1]), known)}"
    if fault["type"] == "missing":
        return f"{where}: '{key}'{of} is missing"
    message = str(fault["msg"]).replace("Input should", "should").replace("Value error, ", "")
    got = "" if isinstance(fault["input"], dict | list) else f" (got {fault['input']!r})"
    if not key:  # about several keys at once
        return f"{where}: {what or 'the recipe'}: {message}"
    return f"{where}: '{key}'{of} {message}{got}"
