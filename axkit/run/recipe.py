"""Text to Recipe. Every value knows its line, so that every fault can name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from axkit.ground.errors import RecipeError, shown
from axkit.ground.plain.files import read_file
from axkit.ground.plain.places import Anchor, Lines, place
from axkit.ground.plain.tree import DEEPEST, Location, parse
from axkit.ground.target import DEFAULT, Target
from axkit.ground.wording import fault_sentence
from axkit.run.anchored import anchor_recipe
from axkit.run.shipped import located
from axkit.tasks.samples import Samples


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Budget(_Frozen):
    """What a stage may cost; a stage that costs more is undone."""

    max_drop: float = Field(
        ge=0, description="Points of the task's metric, on the search split, below the stage before."
    )


class Step(BaseModel):
    """One pass and its settings; keys other than these three belong to the pass.

    Attributes:
        name: of the pass.
        budget: what its stage may cost.
        when: whether it is there for every model, or only for one that has no head for the task yet; where it is left
            out, all is as if it had not been written.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)
    name: str = Field(alias="pass")
    budget: Budget | None = None
    when: Literal["always", "no_head"] = "always"

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
        control: whether the same training without the cuts is run and measured too (``axkit/run/control.py``); auto:
            where the result is better than the dense model by more than chance.
        target: what the result is timed and cut for.
        passes: applied in order.
    """

    axkit: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    model: str = Field(min_length=1)
    task: str | dict[str, Any]
    seed: int = Field(42, ge=0, lt=2**31)
    samples: Samples = Samples()
    control: Literal["auto", True, False] = "auto"
    target: Target = DEFAULT
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
        lines: location of a key or item -> 1-based line, or ``--set ...`` where it comes from there.
        overrides: the ``--set`` values, as given.
        folder: that its relative paths are seen from.
    """

    recipe: Recipe
    text: str
    label: str
    lines: Lines = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    folder: str = ""

    def place(self, location: Location) -> str:
        """``file.yaml, line 12`` of the nearest thing that has a line."""
        return place(self.label, self.lines, location)


def load_source(path: str | Path, overrides: Sequence[str] = ()) -> Source:
    """Read a recipe file and apply ``--set`` overrides (``passes.2.vote=0.6``; passes count from 0).

    Args:
        path: of the file, or the name of a recipe that axkit ships. Relative paths in it are seen from its folder,
            those in overrides from the working directory.
        overrides: ``path=value``.

    Raises:
        RecipeError: all faults at once.
    """
    file = located(path)
    return read_source(read_file(file, "recipe"), file.name, overrides, file.parent)


def read_source(text: str, label: str, overrides: Sequence[str] = (), folder: str | Path = "") -> Source:
    """As ``load_source``, from text that stood in a folder."""
    tree, found = parse(text, label)
    if not isinstance(tree, dict):
        raise RecipeError(f"{label}: a recipe is a mapping that starts with 'axkit: 1'")
    lines: dict[Location, int | str] = dict(found)
    anchor_recipe(tree, lines, Anchor.in_folder(folder, label))
    for override in overrides:
        _override(tree, lines, override)
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError([_sentence(fault, label, lines, Recipe) for fault in error.errors()]) from error
    return Source(recipe, text, label, lines, tuple(overrides), str(folder))


def _override(tree: dict[str, Any], lines: dict[Location, int | str], override: str) -> None:
    """Put one ``path=value`` into the tree; the value is YAML."""
    path, equals, raw = override.partition("=")
    keys, said = path.split("."), f"--set {shown(override)}"
    if not equals or not path or len(keys) > DEEPEST:
        raise RecipeError(f"{said}: write it as path=value, for example passes.0.epochs=1")
    node: Any = tree
    location: Location = ()
    for index, key in enumerate(keys):
        last = index + 1 == len(keys)
        if not isinstance(node, dict | list):
            raise RecipeError(f"{said}: '{shown(keys[index - 1])}' holds a single value, nothing can be set inside it")
        at: Any = _index(node, key, said) if isinstance(node, list) else key
        location = (*location, at)
        if last:
            node[at] = parse(raw, said)[0]
        else:
            node = node[at] if isinstance(node, list) else node.setdefault(at, {})
    for inner in [one for one in lines if one[: len(location)] == location]:
        del lines[inner]
    lines[location] = f"--set {shown(path)}"


def _index(node: list[Any], key: str, said: str) -> int:
    """A place in a list, as its position from 0."""
    index = int(key) if key.isascii() and key.isdigit() and len(key) < 9 else len(node)
    if index >= len(node):
        raise RecipeError(f"{said}: '{shown(key)}' is no index of a list with {len(node)} items (0 is the first)")
    return index


def _sentence(fault: Any, label: str, lines: Lines, model: type[BaseModel]) -> str:
    """One pydantic fault as one sentence."""
    return fault_sentence(fault, model, place(label, lines, tuple(fault["loc"])))
