"""``vocab``: remove word pieces that the task's texts never use, from the embeddings and the tokenizer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from axkit import (
    FLOAT_WEIGHTS,
    TEACHER_TOKENS,
    TORCH_MODULE,
    Effort,
    Gain,
    NotApplicable,
    Pass,
    PassConfig,
    Result,
    Tools,
)

if TYPE_CHECKING:
    from axkit import Family, Subject, Workload


class VocabConfig(PassConfig):
    """Settings of ``vocab``."""

    min_count: int = Field(
        1,
        ge=1,
        description="Keep pieces that occur this often in train and search; above 1 is not exact there.",
    )
    spell: bool = Field(True, description="Keep single characters too, so that new words can be spelled out.")


class Vocab(Pass[VocabConfig]):
    """Remove unused word pieces: exact on the texts of train and search; elsewhere unknown words are split finer.

    The saved tokenizer knows the new ids. Special tokens stay. It counts what the tokenizer makes of the rows that the
    run uses, so ``samples`` limits it too.
    """

    Config = VocabConfig
    purpose = "small models, half of whose bytes are word embeddings that one task never looks up"
    needs = frozenset({"train", "search"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS})
    ends = frozenset({TEACHER_TOKENS})
    paper = "Abdaoui et al. 2020, Load What You Need: Smaller Versions of Multilingual BERT, arXiv 2010.05609"

    def check(self, family: Family, config: VocabConfig) -> None:
        """There must be words."""
        if family.inputs != "tokens":
            raise NotApplicable(f"it reads {family.inputs} and has no word embeddings to cut; leave the pass out")

    def foresee_effort(self, config: VocabConfig, work: Workload) -> Effort:
        """Texts are read, no model is asked."""
        return Effort()

    def foresee_gain(self, config: VocabConfig, work: Workload | None) -> Gain:
        """At most all of the embeddings."""
        return Gain((1.0, 1.0), (1.0, work.values / max(1, work.values - work.embedding_values) if work else None))

    def apply(self, subject: Subject, config: VocabConfig, tools: Tools) -> Result:
        """Shrink the embedding in place, and the tokenizer in a copy."""
        from axkit_plugins.vocab import shrink

        shrink.check_words(subject.module)
        counts = shrink.count_ids(tools.train, tools.search)
        tokenizer, kept = shrink.smaller_tokenizer(subject.reader, counts, config.min_count, config.spell)
        shrink.check_padding(subject.module, subject.reader, kept)
        rows = shrink.keep_rows(subject.module, kept)
        facts = {"word_pieces_before": float(rows), "word_pieces_after": float(len(kept))}
        if rows == len(kept):
            return Result(facts=facts, note="Every word piece is used: nothing changed.")
        subject.reader = tokenizer
        return Result(facts=facts)
