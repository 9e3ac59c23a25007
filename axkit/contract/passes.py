"""What a pass is. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from axkit.contract.described import Described
from axkit.contract.result import Result
from axkit.contract.tools import Tools
from axkit.contract.traits import FLOAT_WEIGHTS, TORCH_MODULE, Trait
from axkit.ground.target import DEFAULT, Target

if TYPE_CHECKING:
    from axkit.anatomy.family import Family
    from axkit.contract.subject import Subject


class PassConfig(BaseModel):
    """Settings of a pass: the YAML keys, the Python signature and the table in the docs, in one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class InnerStep(BaseModel):
    """A pass that another pass runs, written as in a recipe: ``{pass: finetune, epochs: 0.5}``.

    A setting of this type is planned with the recipe; ``Tools.run`` runs it by the setting's name.

    Attributes:
        name: of the pass; ``pass`` in a recipe.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, serialize_by_alias=True, allow_inf_nan=False)
    name: str = Field(alias="pass")

    @property
    def settings(self) -> dict[str, Any]:
        """The keys that the inner pass's own Config checks."""
        return dict(self.model_extra or {})


C = TypeVar("C", bound=PassConfig)


@dataclass(frozen=True)
class Workload:
    """What a plan knows of the work before anything is loaded.

    Attributes:
        rows: of each split, by its name.
        tokens: of a row: at most, or of a usual one where ``longest`` has the most.
        windows: True where a row may take several inputs of so many tokens.
        layers: of the model as it comes, counted once where they are shared.
        hidden: values per token between layers.
        ffn_width: feed-forward neurons per layer.
        target: what the result is made for.
        heads: per layer.
        values: that the model stores; 0 where nobody has counted.
        embedding_values: of them, those of word pieces and positions.
        longest: tokens of a row at most; 0 where ``tokens`` says it.
    """

    rows: Mapping[str, int]
    tokens: int
    windows: bool
    layers: int
    hidden: int
    ffn_width: int
    target: Target = DEFAULT
    heads: int = 0
    values: int = 0
    embedding_values: int = 0
    longest: int = 0

    @property
    def layer_values(self) -> int:
        """Weights and biases of one layer, its two norms among them."""
        hidden, width = self.hidden, self.ffn_width
        return 4 * hidden * hidden + 2 * hidden * width + 9 * hidden + width

    @property
    def layer_operations(self) -> int:
        """Multiplications and additions of one layer for one token."""
        projections = 2 * (4 * self.hidden * self.hidden + 2 * self.hidden * self.ffn_width)
        return projections + 4 * self.tokens * self.hidden


@dataclass(frozen=True)
class SearchWork:
    """What a pass that searches foresees of its work.

    Attributes:
        rows: of the search split that candidates are looked at on.
        fresh_rows: others, that they are confirmed on.
        candidates: the fewest and the most; None where that depends on the model.
        passes: of the whole model over ``rows`` that these cost, the fewest and the most; None likewise.
        cache_bytes: of what is kept to spare work.
        file_bytes: of that, what goes to files.
        folder: where these go.
        matrix_bytes: of what it solves with, in memory beside all that.
    """

    rows: int
    fresh_rows: int
    candidates: tuple[int, int] | None
    passes: tuple[float, float] | None
    cache_bytes: int
    file_bytes: int
    folder: str
    matrix_bytes: int = 0


@dataclass(frozen=True)
class Effort:
    """What a pass foresees that it takes, beside a search of its own (``SearchWork``).

    Attributes:
        rows: as many as the model could answer in that time, in float32: the fewest and the most. None where only the
            run can tell the most.
        memory_bytes: beside the models themselves.
        disk_bytes: while it runs.
        runs: how often it runs each pass that a setting names, the fewest and the most times.
    """

    rows: tuple[float, float | None] = (0.0, 0.0)
    memory_bytes: int = 0
    disk_bytes: int = 0
    runs: tuple[int, int] = (1, 1)

    def with_search(self, search: SearchWork) -> Effort:
        """With a search of its own."""
        cached = search.cache_bytes - search.file_bytes + search.matrix_bytes
        found = replace(
            self,
            memory_bytes=self.memory_bytes + cached,
            disk_bytes=self.disk_bytes + search.file_bytes,
        )
        if search.passes is None:
            return replace(found, rows=(self.rows[0], None))
        low, high = (passes * search.rows + search.fresh_rows for passes in search.passes)
        return replace(found, rows=_plus(self.rows, (low, high)))

    def with_inner(self, inner: Effort | None) -> Effort:
        """With a pass that it runs itself, one time after the other; None: of which nothing is known."""
        if inner is None:
            return replace(self, rows=(self.rows[0], None))
        low, high = inner.rows
        more = (self.runs[0] * low, None if high is None else self.runs[1] * high)
        memory, disk = max(self.memory_bytes, inner.memory_bytes), max(self.disk_bytes, inner.disk_bytes)
        return replace(self, rows=_plus(self.rows, more), memory_bytes=memory, disk_bytes=disk)


def _plus(one: tuple[float, float | None], other: tuple[float, float | None]) -> tuple[float, float | None]:
    return one[0] + other[0], None if one[1] is None or other[1] is None else one[1] + other[1]


@dataclass(frozen=True)
class Gain:
    """What a pass may come to, each as a multiple of the model before it: from at least, to at most.

    Attributes:
        speed: throughput in batches; None at most where only the run can tell, as with the kernels of a processor.
        size: bytes before / bytes behind it.
        layers: that are left, of a pass that removes whole ones; what comes behind it is reckoned by them.
    """

    speed: tuple[float, float | None] = (1.0, 1.0)
    size: tuple[float, float | None] = (1.0, 1.0)
    layers: int | None = None

    def left_of(self, work: Workload) -> Workload:
        """What there is to do behind it, at most: fewer layers are sure, as are values that it surely spares."""
        return replace(work, layers=self.layers or work.layers, values=round(work.values / self.size[0]))


class Pass(Described, ABC, Generic[C]):
    """One step of a recipe. Subclass it, set ``Config``, write ``apply``, add one entry point.

    What ``axkit passes`` shows of it (``purpose``, ``paper``, ...) is in ``axkit.contract.described.Described``.

    Attributes:
        Config: the settings.
        needs: what it must be lent: any of "train", "search", "teacher" (the dense model, asked about the rows of this
            model: it must take the same ids) and "dense" (the dense model, to compare with on ``Tools.dense_rows``);
            ``needs_of`` may need less.
        requires: traits that the subject must still have.
        ends: traits that it takes away.
        holds_budget: its own setting, points on the search split, by which it keeps within a recipe's ``budget``. The
            engine fills it in where the recipe does not, and undoes the stage only where the pass did not keep it.
        each: its own settings of which a recipe may list several numbers, rising: then it makes one model for each. The
            pass is given one of them; what the models can share it leaves in ``Tools.common``.
        trains: True for a pass that changes weights only. The dense model that a run is measured against is what
            the recipe's leading training passes leave, up to the first that learns from that very model.
        targets: kinds of device that what it makes can run on, such as "cpu"; None: on all.
        elsewhere: what to take for the others, as half a sentence: "bf16, or int8_bnb for 8 bits".
    """

    Config: type[C]
    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[frozenset[Trait]] = frozenset({TORCH_MODULE, FLOAT_WEIGHTS})
    ends: ClassVar[frozenset[Trait]] = frozenset()
    holds_budget: ClassVar[str | None] = None
    each: ClassVar[tuple[str, ...]] = ()
    trains: ClassVar[bool] = False
    targets: ClassVar[frozenset[str] | None] = None
    elsewhere: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "Config" not in cls.__dict__:  # Pass[NarrowConfig] alone says it too
            for base in cls.__dict__.get("__orig_bases__", ()):
                arguments = get_args(base)
                if arguments and isinstance(arguments[0], type) and issubclass(arguments[0], PassConfig):
                    cls.Config = arguments[0]  # type: ignore[assignment]  # it is the C of this very class

    def check(self, family: Family, config: C) -> None:  # an override is optional
        """Refuse what cannot work, before a weight is loaded; touches no tensor.

        Raises:
            NotApplicable: one sentence with the way out.
        """

    def check_model(self, family: Family, model: Mapping[str, Any], config: C) -> None:  # an override is optional
        """Refuse one model of a family that ``check`` lets pass, by its config.json; touches no tensor.

        Args:
            family: of the model.
            model: its config.json; a field that is left out has the default of its class in transformers.
            config: the settings.

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

    def without_labels(self, config: C) -> str:  # an override is optional
        """Why it has nothing to do where rows have no labels and the dense model's own answers stand in their place:
        half a sentence behind its name, with the way out; empty where it works there, as most do."""
        return ""

    def foresee(self, config: C) -> str:  # an override is optional
        """One sentence for the plan: what is known beforehand of how this will end here; touches no tensor."""
        return ""

    def foresee_work(self, config: C, work: Workload) -> str:  # an override is optional
        """One more sentence for the plan, of what depends on rows and sizes: memory, disk; imports no torch."""
        return ""

    def foresee_search(self, config: C, work: Workload) -> SearchWork | None:  # an override is optional
        """How much a pass that searches will look at; None for any other. Imports no torch."""
        return None

    def foresee_effort(self, config: C, work: Workload) -> Effort | None:  # an override is optional
        """What it takes beside a search, for the plan's time, memory and disk. Imports no torch.

        Nothing, of a pass that is lent no rows and only changes weights; None where nothing can be said, as of any
        other that does not answer this.
        """
        return None if self.needs_of(config) else Effort()

    def foresee_gain(self, config: C, work: Workload | None) -> Gain | None:  # an override is optional
        """How much faster and smaller it may make a model, for the plan; None where nothing can be said. Touches no
        tensor. ``work`` is None where the model's config leaves its sizes to defaults."""
        return Gain() if self.trains else None

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
