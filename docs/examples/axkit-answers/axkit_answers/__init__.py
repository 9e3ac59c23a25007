"""A runtime of one's own: the body, and the pass that puts one in the place of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, TORCH_MODULE, NotApplicable, Pass, PassConfig, Result

if TYPE_CHECKING:
    from axkit import Family, Subject, Tools


class TabulateConfig(PassConfig):
    """Settings of ``tabulate``: none."""


class Tabulate(Pass[TabulateConfig]):
    """Write the model's answers to all train and search rows down, and keep nothing else of it."""

    Config = TabulateConfig
    needs = frozenset({"train", "search"})
    requires = frozenset()  # it asks, and that every body can
    ends = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION})
    targets = frozenset({"cpu"})
    purpose = "show what a runtime has to keep"

    def check(self, family: Family, config: TabulateConfig) -> None:
        """Rows are told apart by their tokens."""
        if family.inputs != "tokens":
            raise NotApplicable("it tells texts apart by their tokens; take a model that reads text")

    def apply(self, subject: Subject, config: TabulateConfig, tools: Tools) -> Result:
        """Ask, and put the table where the model was."""
        import torch  # here: whoever lists the passes should not wait for it

        from axkit_answers.body import AnswersBody, keys_of

        found: dict[str, torch.Tensor] = {}
        for split in (tools.train, tools.search):
            for batch in split.batches(32):
                logits = subject.body.answer(batch.inputs).get("logits")
                if logits is None or logits.dim() != 2:
                    raise NotApplicable("it keeps one answer for each row; take a task of whole texts")
                found |= dict(zip(keys_of(batch.inputs), logits.float(), strict=True))
        answers = torch.stack(list(found.values()))  # (answers, outputs)
        table = torch.cat([answers, answers.mean(0, keepdim=True)])
        rows = {key: row for row, key in enumerate(found)}
        subject.body = AnswersBody(dict(subject.body.config), rows, table)
        return Result(facts={"kept_answers": len(found)})
