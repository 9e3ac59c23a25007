"""A kind of task as data: what planning asks of it, and where its two halves are. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal, TypeVar

from axkit.ground import fence, registry
from axkit.ground.errors import PluginError, did_you_mean, shown
from axkit.tasks.kinds.metric import Metric

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """What an ``axkit.kinds`` entry point gives.

    Attributes:
        name: as registered, and as tasks say it.
        head: the suffix of the transformers class: ``AutoModelFor<head>``.
        rows: "module:object" of the data half, a ``KindRows``; it imports no torch.
        compute: "module:object" of the other half, a ``TaskKind``; imported when a model
            is there to answer.
        metrics: of rows; the first is taken where a task names none.
        problem_type: of the transformers config, which its own loss goes by.
        inputs: what a model has to read (``Family.inputs``).
        takes: how many texts a row may have.
        several_columns: True where labels may have a column each.
        names_outputs: True where each output of the head stands for a label.
        windows: True where a row may take several inputs.
    """

    name: str
    head: str
    rows: str
    compute: str
    metrics: tuple[Metric, ...]
    problem_type: str | None = None
    inputs: Literal["tokens", "pixels"] = "tokens"
    takes: tuple[int, ...] = (1, 2)
    several_columns: bool = False
    names_outputs: bool = True
    windows: bool = False

    @property
    def reads_names(self) -> bool:
        """False where outputs stand for places in the text: ``id2label`` says nothing of them."""
        return self.names_outputs or self.problem_type is not None


def kind_names() -> list[str]:
    """The kinds that are registered, axkit's own first."""
    own = our_kinds()
    return [*own, *(name for name in registry.entries(registry.KINDS) if name not in own)]


def our_kinds() -> list[str]:
    """Those that axkit itself brings; a checkpoint that nobody's folder speaks for is taken to be one of them."""
    return [name for name, entry in registry.entries(registry.KINDS).items() if entry.is_ours]


def kind_of(name: str) -> Kind:
    """The kind of a name.

    Raises:
        PluginError: nobody registered it, two did, or it is none.
    """
    known = registry.entries(registry.KINDS)
    if name not in known:
        raise PluginError(registry.unknown(registry.KINDS, name))
    return _kind(known[name])


@cache  # by what is registered: a test, or a process that goes on, may see another
def _kind(entry: registry.Entry) -> Kind:
    found: Kind = entry.load_as(Kind, "an axkit Kind")
    if found.name != entry.name:
        raise PluginError(f"{entry.who} calls itself '{shown(found.name)}'; mend that package's entry point")
    return found


def half_of(name: str, half: Literal["rows", "compute"], wanted: type[T]) -> T:
    """A half of a kind: an instance, made of the class that the kind names.

    Args:
        name: of the kind.
        half: which.
        wanted: the class that it is of.

    Raises:
        PluginError: it cannot be imported, or is something else.
    """
    entry, target = registry.entries(registry.KINDS)[kind_of(name).name], str(getattr(kind_of(name), half))
    found = _loaded(entry, target)
    if not (isinstance(found, type) and issubclass(found, wanted)):
        raise PluginError(f"{entry.who}: {shown(target)} is no subclass of {wanted.__name__}; mend that package")
    return found()


@cache
def _loaded(entry: registry.Entry, target: str) -> Any:
    module, _, attribute = target.partition(":")
    with fence.answering(entry.who, f"has nothing to load at {shown(target)}", entry.is_ours):
        return getattr(import_module(module), attribute)


def foreign_modules(kind: str, metrics: Sequence[str]) -> list[str]:
    """The modules of a kind and of metrics that are not axkit's own: what they compute decides, too."""
    own = {metric.name for metric in kind_of(kind).metrics}
    known = registry.entries(registry.METRICS)
    entries = [registry.entries(registry.KINDS)[kind], *(known[name] for name in metrics if name not in own)]
    targets = [entry.target for entry in entries if not entry.is_ours]
    if not entries[0].is_ours:
        targets += [kind_of(kind).rows, kind_of(kind).compute]
    return [target.partition(":")[0] for target in targets]


@contextmanager
def owned(kind: str) -> Iterator[None]:
    """Work of a kind: a bug of a stranger's is told by name, and keeps its traceback."""
    entry = registry.entries(registry.KINDS)[kind_of(kind).name]
    with nullcontext() if entry.is_ours else fence.working(entry.who):
        yield


def metric_names(kind: Kind) -> list[str]:
    """All metrics that a task of a kind may name: its own, and what others registered, whether it fits or not."""
    own = [metric.name for metric in kind.metrics]
    return [*own, *(name for name in registry.entries(registry.METRICS) if name not in own)]


def metric_of(kind: Kind, name: str) -> Metric:
    """A metric by name: the kind's own, or one of ``axkit.metrics`` that is for the kind.

    Raises:
        PluginError: there is none, it is for other kinds, or its package is broken.
    """
    own = next((metric for metric in kind.metrics if metric.name == name), None)
    if own is not None:
        return own
    entry = registry.entries(registry.METRICS).get(name)
    if entry is None:
        raise PluginError(f"no metric '{shown(name)}'{did_you_mean(name, metric_names(kind))}")
    found = _metric(entry)
    if kind.name not in found.kinds:
        fits = " and ".join(found.kinds) or "no kind"
        raise PluginError(f"{entry.who} is for {fits}, not for {kind.name}; take another")
    return found


@cache
def _metric(entry: registry.Entry) -> Metric:
    found: Metric = entry.load_as(Metric, "an axkit Metric")
    if found.name != entry.name:
        raise PluginError(f"{entry.who} calls itself '{shown(found.name)}'; mend that package's entry point")
    return found.of_package(entry.who)
