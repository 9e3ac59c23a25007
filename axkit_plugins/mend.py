"""``mend``: repair what a cut lost, in closed form, without training. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from axkit import (
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    TEACHER_TOKENS,
    TORCH_MODULE,
    Effort,
    Gain,
    NotApplicable,
    Pass,
    PassConfig,
    Result,
    Tools,
    family_of,
    model_config,
)
from axkit.kit import problem_bytes, refit_most

if TYPE_CHECKING:
    from axkit import Family, Structure, Subject, Workload


_LEAST = 4.0  # answers of both models that a row costs at least
_OTHER = "name the model that it was cut from"


class MendConfig(PassConfig):
    """Settings of ``mend``."""

    rows: int = Field(
        1024,
        ge=1,
        description="Training rows to look at, without their labels; four times as many for a last layer that "
        "computes one token of each.",
    )
    teacher: str = Field(
        "dense",
        min_length=1,
        description="The dense model of the run, or the folder or hub id of what a model that came cut was cut from.",
    )
    layers: list[int] | None = Field(
        None,
        min_length=1,
        description="Which of such a teacher's layers, from 0, each layer that is left stood for; by default the same, "
        "or where it has more, the last of an equal share of them.",
    )


class Mend(Pass[MendConfig]):
    """Refit every output projection to the dense model's residual stream, first layer to last, by least squares.

    For a model from which heads, neurons, blocks or layers were cut, by whatever pass or by somebody else. Nothing is
    trained; the structure stays.
    """

    Config = MendConfig
    purpose = "repairing in a minute what a cut lost, without training or labels"
    needs = frozenset({"train", "teacher"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION, TEACHER_TOKENS})
    paper = "Kwon et al. 2022, arXiv 2204.09656 (least squares after pruning); Hassibi and Stork 1993 (brain surgeon)"

    def check(self, family: Family, config: MendConfig) -> None:
        """A teacher of its own must be there, and be of the family."""
        if config.teacher == "dense":
            if config.layers is not None:
                raise NotApplicable("'layers' is of a teacher of its own: name one, or leave 'layers' out")
            return
        theirs = family_of(str(model_config(config.teacher)["model_type"]))
        if theirs.model_type != family.model_type:
            raise NotApplicable(
                f"the teacher '{config.teacher}' is of the family '{theirs.model_type}', the model of "
                f"'{family.model_type}'; name the model that it was cut from"
            )

    def models(self, config: MendConfig) -> tuple[str, ...]:
        """The teacher's folder, name or hub id."""
        return () if config.teacher == "dense" else (config.teacher,)

    def needs_of(self, config: MendConfig) -> frozenset[str]:
        """A teacher of its own spares the dense model."""
        return self.needs if config.teacher == "dense" else self.needs - {"teacher"}

    def foresee_effort(self, config: MendConfig, work: Workload) -> Effort:
        """Rows through both models, and what they give of each layer."""
        rows = min(config.rows, work.rows["train"])
        streams = 4 * rows * work.tokens * 3 * work.hidden  # what enters a layer in both, and what is wished for
        return Effort((_LEAST * rows, refit_most(rows)), streams + problem_bytes(1, work.ffn_width, work.hidden))

    def foresee_gain(self, config: MendConfig, work: Workload | None) -> Gain:
        """The structure stays."""
        return Gain()

    def apply(self, subject: Subject, config: MendConfig, tools: Tools) -> Result:
        """Mend in place."""
        from axkit.kit import Calibration, mend_model, teacher_of

        calibration = Calibration(tools.train, config.rows)
        teacher = teacher_of(config.teacher, subject, tools)
        layers = _layers(subject, teacher, config)
        with tools.device.holding(subject.module, teacher.module):
            before, after = mend_model(subject, teacher, calibration, layers)
        note = "" if before > 0 else "Nothing was cut: there is nothing to mend."
        facts = {"rows": float(calibration.rows), "missed_before_ratio": before, "missed_after_ratio": after}
        return Result(facts=facts, note=note)


def _layers(subject: Subject, teacher: Subject, config: MendConfig) -> dict[int, int]:
    """The subject's layer -> the teacher's that it is held to; the last one to the last, as the head reads it.

    Raises:
        NotApplicable: there is none, or it cannot be held to it.
    """
    from axkit.kit import layer_map

    name, whole, left = config.teacher, teacher.structure, subject.structure
    sizes = [{"hidden values": one.family.size(one.module.config, "hidden")} for one in (subject, teacher)]
    if subject.family.shared_layers:
        for one, size in zip((subject, teacher), sizes, strict=True):
            size["turns of its one layer"] = int(getattr(one.module.config, one.family.config.layers))
    for what, ours in sizes[0].items():
        if ours != sizes[1][what]:
            raise NotApplicable(f"the teacher '{name}' has {sizes[1][what]} {what}, the model {ours}; {_OTHER}")
    there, theirs = ([i for i, layer in enumerate(one.layers) if layer.present] for one in (left, whole))
    if len(there) > len(theirs):
        raise NotApplicable(f"the teacher '{name}' has {len(theirs)} layers, the model {len(there)}; {_OTHER}")
    declared = there if config.layers is None and len(whole.layers) == len(left.layers) else config.layers
    found = layer_map(left, whole, declared) | dict.fromkeys(there[-1:], theirs[-1])
    if not _has_all(whole, left, found):
        raise NotApplicable(f"the teacher '{name}' has been cut itself; {_OTHER}")
    if list(found.values()) != sorted(set(found.values())):
        raise NotApplicable(f"'layers' names {list(found.values())}; name layers of the teacher in ascending order")
    return found


def _has_all(teacher: Structure, left: Structure, layers: Mapping[int, int]) -> bool:
    """Whether the teacher has every block that is to be held to one of its own, for as many tokens."""
    pairs = [(left.layers[ours], teacher.layers[theirs]) for ours, theirs in layers.items()]
    blocks = all(its.present and its.attention >= my.attention and its.ffn >= my.ffn for my, its in pairs)
    return blocks and left.first_token_only >= teacher.first_token_only
