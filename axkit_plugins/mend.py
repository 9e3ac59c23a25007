"""``mend``: repair what an earlier cut lost, in closed form, without training. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from axkit import FLOAT_WEIGHTS, FULL_PRECISION, TEACHER_TOKENS, TORCH_MODULE, Pass, PassConfig, Result, Tools

if TYPE_CHECKING:
    from axkit import Subject


class MendConfig(PassConfig):
    """Settings of ``mend``."""

    rows: int = Field(1024, ge=1, description="Training rows to look at; their labels are not used.")


class Mend(Pass[MendConfig]):
    """Refit every output projection to the dense model's residual stream, first layer to last, by least squares.

    For a model from which heads, neurons or blocks were cut, by whatever pass. Nothing is trained; the structure stays.
    """

    Config = MendConfig
    purpose = "repairing in a minute what a cut lost, without training or labels"
    needs = frozenset({"train", "teacher"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION, TEACHER_TOKENS})
    paper = "Kwon et al. 2022, arXiv 2204.09656 (least squares after pruning); Hassibi and Stork 1993 (brain surgeon)"

    def apply(self, subject: Subject, config: MendConfig, tools: Tools) -> Result:
        """Mend in place."""
        from axkit.kit import Calibration, mend_model

        calibration = Calibration(tools.train, config.rows)
        assert tools.teacher is not None, "planned: the pass needs a teacher"
        with tools.device.holding(subject.module, tools.teacher.module):
            before, after = mend_model(subject, tools.teacher, calibration)
        note = "" if before > 0 else "Nothing was cut: there is nothing to mend."
        facts = {"rows": float(calibration.rows), "missed_before_ratio": before, "missed_after_ratio": after}
        return Result(facts=facts, note=note)
