"""``mend``: repair what a cut lost, in closed form, without training. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from axkit import (
    FLOAT_WEIGHTS,
    FULL_PRECISION,
    TEACHER_TOKENS,
    TORCH_MODULE,
    NotApplicable,
    Pass,
    PassConfig,
    Result,
    Tools,
    model_config,
)

if TYPE_CHECKING:
    from axkit import Family, Subject


class MendConfig(PassConfig):
    """Settings of ``mend``."""

    rows: int = Field(1024, ge=1, description="Training rows to look at; their labels are not used.")
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
        theirs = model_config(config.teacher)["model_type"]
        if theirs != family.model_type:
            raise NotApplicable(
                f"the teacher '{config.teacher}' is of the family '{theirs}', the model of '{family.model_type}'; name "
                f"the model that it was cut from"
            )

    def models(self, config: MendConfig) -> tuple[str, ...]:
        """The teacher's folder, name or hub id."""
        return () if config.teacher == "dense" else (config.teacher,)

    def needs_of(self, config: MendConfig) -> frozenset[str]:
        """A teacher of its own spares the dense model."""
        return self.needs if config.teacher == "dense" else self.needs - {"teacher"}

    def apply(self, subject: Subject, config: MendConfig, tools: Tools) -> Result:
        """Mend in place."""
        from axkit.kit import Calibration, mend_model, teacher_of

        calibration = Calibration(tools.train, config.rows)
        teacher = teacher_of(config.teacher, subject, tools)
        layers = None if config.teacher == "dense" else _layers(subject, teacher, config)
        with tools.device.holding(subject.module, teacher.module):
            before, after = mend_model(subject, teacher, calibration, layers)
        note = "" if before > 0 else "Nothing was cut: there is nothing to mend."
        facts = {"rows": float(calibration.rows), "missed_before_ratio": before, "missed_after_ratio": after}
        return Result(facts=facts, note=note)


def _layers(subject: Subject, teacher: Subject, config: MendConfig) -> dict[int, int]:
    """The subject's layer -> the teacher's that it is held to.

    Raises:
        NotApplicable: there is none, or another width.
    """
    from axkit.kit import layer_map

    name, there, depth = config.teacher, teacher.structure.layers, len(teacher.structure.layers)
    sizes = [one.family.size(one.module.config, "hidden") for one in (subject, teacher)]
    if sizes[0] != sizes[1]:
        raise NotApplicable(
            f"the teacher '{name}' has {sizes[1]} hidden values, the model {sizes[0]}; name what it was cut from"
        )
    left, declared = subject.structure, config.layers
    if declared is None and depth == len(left.layers):
        declared = [index for index, layer in enumerate(left.layers) if layer.present]
    found = layer_map(left, teacher.structure, declared)
    named = list(found.values())
    lacking = [index for index in named if not (there[index].present and there[index].attention and there[index].ffn)]
    if lacking:
        raise NotApplicable(f"layer {lacking[0]} of the teacher '{name}' has been cut itself; take one that is whole")
    if named != sorted(set(named)) or (left.first_token_only and named[-1] != depth - 1):
        raise NotApplicable(
            f"'layers' is {named}; name the teacher's layers in ascending order, and its last, {depth - 1}, where the "
            f"model computes its last layer for one token alone"
        )
    return found
