"""What a pass is: all that a plugin author has to read. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from axkit.ground.errors import NotApplicable
from axkit.ground.processes import Processes
from axkit.ground.progress import Progress

if TYPE_CHECKING:
    from axkit.anatomy.family import Family
    from axkit.contract.subject import Subject
    from axkit.tasks.split import Split

Trait = str  # a third party may name its own
TORCH_MODULE: Trait = "torch_module"  # the subject is an nn.Module, not a runtime session
FLOAT_WEIGHTS: Trait = "float_weights"  # linear layers hold floating-point weights that can be sliced
DIFFERENTIABLE: Trait = "differentiable"  # gradients reach the weights
FULL_PRECISION: Trait = "full_precision"  # weights are float32: training steps and 8-bit scales are not rounded away
SOFT_ATTENTION: Trait = "soft_attention"  # no layer has been switched to hard attention yet
TEACHER_TOKENS: Trait = "teacher_tokens"  # the dense model takes the same token ids; what needs a teacher requires it
INITIAL_TRAITS = frozenset(
    {TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION, SOFT_ATTENTION, TEACHER_TOKENS}
)


class PassConfig(BaseModel):
    """Settings of a pass: the YAML keys, the Python signature and the table in the docs, in one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class InnerStep(BaseModel):
    """A pass that another pass runs, written as in a recipe: ``{pass: finetune, epochs: 0.5}``.

    A setting of this type is planned with the recipe; ``Tools.run`` runs it by the setting's name.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, serialize_by_alias=True, allow_inf_nan=False)
    name: str = Field(alias="pass")

    @property
    def settings(self) -> dict[str, Any]:
        """The keys that the inner pass's own Config checks."""
        return dict(self.model_extra or {})


C = TypeVar("C", bound=PassConfig)


def _runs_nothing(subject: Subject, setting: str) -> Mapping[str, float]:
    raise NotApplicable(f"there is no engine here to run '{setting}'")


@dataclass(frozen=True)
class Workload:
    """What a plan knows of the work before anything is loaded.

    Attributes:
        rows: of each split, by its name.
        tokens: of a row, at most.
        windows: True where a row may take several inputs of so many tokens.
        layers: of the model as it comes, counted once where they are shared.
        hidden: values per token between layers.
        ffn_width: feed-forward neurons per layer.
    """

    rows: Mapping[str, int]
    tokens: int
    windows: bool
    layers: int
    hidden: int
    ffn_width: int


class Journal(Protocol):
    """One JSON line per decision; kept in the run folder."""

    def write(self, **entry: Any) -> None:
        """Append one line; durable when this returns."""
        ...

    def read(self) -> list[dict[str, Any]]:
        """The lines that an interrupted run of the same stage left."""
        ...

    def keep(self, lines: int) -> None:
        """Drop all but the first lines."""
        ...


@dataclass(frozen=True)
class Tools:
    """Lent to a pass for one ``apply``; never stored.

    There is no test split here: nothing that a pass decides can have seen it.

    Attributes:
        train: rows to fit on.
        search: rows held out of train, to decide on.
        teacher: the dense model of the run, in eval mode; None until there is one.
        dense_search: the search rows as the dense model's own tokenizer makes them (see ``dense_rows``).
        tokenizer: the model's.
        model_folder: where the run's model came from: config, safetensors, tokenizer (``refit`` starts from it).
        seed: of the recipe.
        progress: bars and lines for a person.
        journal: of this stage.
        memo: lives as long as the run: what a pass leaves here may spare a later one work; nobody may need it.
        run: runs the pass that a setting of this one names (:class:`InnerStep`) on a subject; returns its facts.
        processes: this one, or those started together by ``torchrun``.
        scratch: a folder of this stage alone, for what the pass wants to find again after an interruption, such as
            checkpoints of a training; it is kept when the run is killed and removed when the stage is finished. What
            is found there was written by the same pass with the same settings on the same model and rows, perhaps not
            to its end. The processes of a run share it. None where nothing is kept.
    """

    train: Split
    search: Split
    teacher: Any | None
    tokenizer: Any
    model_folder: str
    seed: int
    progress: Progress
    journal: Journal
    memo: dict[str, Any] = field(default_factory=dict)
    run: Callable[[Subject, str], Mapping[str, float]] = _runs_nothing
    processes: Processes = field(default_factory=Processes)
    scratch: Path | None = None
    dense_search: Split | None = None

    @property
    def dense_rows(self) -> Split:
        """The search rows to score and time the dense model on: an earlier pass may have changed the model's ids."""
        return self.search if self.dense_search is None else self.dense_search


@dataclass(frozen=True)
class Result:
    """What a pass gives back.

    Attributes:
        state: JSON that ``restore`` needs to rebuild the module; None where the Structure says it all.
        facts: numbers for the report; each key ends in its unit (``search_s``, ``weights_bytes``, ``removed_heads``).
        note: one sentence for the report, above all when the pass changed nothing.
        tables: name -> rows for the report: numbers or short texts by key.
        tokenizer: the one that goes with the model from here on, where the pass changed the ids; else None.
    """

    state: Mapping[str, Any] | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    tokenizer: Any | None = None


class Pass(ABC, Generic[C]):
    """One step of a recipe. Subclass it, set ``Config``, write ``apply``, add one entry point.

    Class attributes:
        Config: the settings.
        needs: what it must be lent: any of "train", "search", "teacher" (the dense model, asked about the rows of this
            model: it must take the same ids) and "dense" (the dense model, to compare with on ``Tools.dense_rows``);
            :meth:`needs_of` may need less.
        requires: traits that the subject must still have.
        ends: traits that it takes away.
        holds_budget: its own setting, points on the search split, by which it keeps within a recipe's ``budget``. The
            engine fills it in where the recipe does not, and undoes the stage only where the pass did not keep it.
        trains: True for a pass that changes weights only. The dense model that a run is measured against is what
            the recipe's leading training passes leave, up to the first that learns from that very model.
        extra: the extra of the distribution that brings its optional packages.
        packages: the importable names of those packages.
        install: how to get them, where the extra alone does not bring them all.
        paper: the source of the method.
        purpose: what one takes it for, half a sentence.
    """

    Config: type[C]
    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[frozenset[Trait]] = frozenset({TORCH_MODULE, FLOAT_WEIGHTS})
    ends: ClassVar[frozenset[Trait]] = frozenset()
    holds_budget: ClassVar[str | None] = None
    trains: ClassVar[bool] = False
    extra: ClassVar[str | None] = None
    packages: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    purpose: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "Config" not in cls.__dict__:  # Pass[NarrowConfig] alone says it too
            for base in getattr(cls, "__orig_bases__", ()):
                arguments = get_args(base)
                if arguments and isinstance(arguments[0], type) and issubclass(arguments[0], PassConfig):
                    cls.Config = arguments[0]  # type: ignore[assignment]  # it is the C of this very class

    def check(self, family: Family, config: C) -> None:  # an override is optional
        """Refuse what cannot work, before a weight is loaded; touches no tensor.

        Raises:
            NotApplicable: one sentence with the way out.
        """

    def needs_of(self, config: C) -> frozenset[str]:  # an override is optional
        """What it must be lent under these settings; ``needs``, unless a setting spares some of it."""
        return self.needs

    def models(self, config: C) -> tuple[str, ...]:  # an override is optional
        """Models that it opens besides the run's own, by the names that a recipe gives them; their contents are part of
        what the pass is."""
        return ()

    def foresee(self, config: C) -> str:  # an override is optional
        """One sentence for the plan: what is known beforehand of how this will end here; touches no tensor."""
        return ""

    def foresee_work(self, config: C, work: Workload) -> str:  # an override is optional
        """One more sentence for the plan, of what depends on rows and sizes: memory, disk; imports no torch."""
        return ""

    @abstractmethod
    def apply(self, subject: Subject, config: C, tools: Tools) -> Result:
        """Change the subject in place. The engine owns it and can throw it away."""

    def restore(self, subject: Subject, config: C, state: Mapping[str, Any]) -> None:
        """Give the module the shape that ``apply`` left, before saved weights are put in.

        Only for a pass whose ``Result`` has a state, such as quantized weights.
        """
        raise NotImplementedError(f"{type(self).__name__} returned a state but has no restore")

    def rehearse(self, subject: Subject, config: C, state: Mapping[str, Any]) -> None:  # an override is optional
        """Let a copy of the model compute as it will once a later pass has converted it; searches decide on that copy.

        Only for a pass whose ``Result`` has a state. Values may change, shapes may not; what is hung on a module must
        stand being copied. ``q8bert`` rounds to 8 bits here, as ``int8`` will.
        """

    @classmethod
    def missing_packages(cls) -> list[str]:
        """The optional packages that are not installed."""
        return [name for name in cls.packages if find_spec(name) is None]


def way_to_install(pass_class: type[Pass[Any]], distribution: str) -> str:
    """What brings a pass's optional packages."""
    by_extra = f"pip install '{distribution.split()[0]}[{pass_class.extra}]'" if pass_class.extra else "install it"
    return pass_class.install or by_extra


def refuse_if_missing(name: str, pass_class: type[Pass[Any]], distribution: str) -> None:
    """Raise NotApplicable when a pass lacks an optional package."""
    missing = pass_class.missing_packages()
    if missing:
        raise NotApplicable(
            f"pass '{name}' needs {', '.join(missing)}, which is not installed: "
            f"{way_to_install(pass_class, distribution)}"
        )
