"""The search against the oracle on real weights and real sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from oracle import search as oracle_search

from axkit.anatomy.family import family_of
from axkit.anatomy.surgery import dense_structure
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.checkpoint.sources import local_folder
from axkit.runtimes.torch.body import torch_subject
from axkit.runtimes.torch.opening import open_for_task, open_tokenizer
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows
from axkit.tasks.spec import resolve
from axkit.tasks.split import Split
from axkit.testing import lend

K = 12


def trained_head(model, split):
    """A head that knows something, so that losses mean something: pooled states are computed once."""
    batches = list(split.batches(64))
    with torch.no_grad():
        pooled = torch.cat([model.bert(**batch.inputs).pooler_output for batch in batches])
    labels = torch.cat([batch.labels for batch in batches])
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model.classifier(pooled), labels).backward()
        optimizer.step()
    model.zero_grad(set_to_none=True)


@pytest.mark.slow
def test_decisions_on_the_embedded_model_equal_the_oracles(tmp_path):
    folder, task = local_folder("embedded:bert"), resolve("embedded:movie-reviews", lambda _: "test")
    rows, kind = load_rows(task, Samples(train=300, search=64, test=1)), KINDS["classification"]
    tokenizer, model = open_tokenizer(folder), open_for_task(folder, kind, 2, rows.label_names, 0)
    splits = {name: Split(part, task.spec, kind, tokenizer, 64) for name, part in rows.splits.items()}
    trained_head(model, splits["train"])
    family = family_of("bert")
    structure = dense_structure(model, family)
    order = splits["search"].lengths.argsort()  # of like lengths: half of each pass would be padding
    taken = [splits["search"].batch(order[start : start + 32]) for start in range(0, len(order), 32)]
    batches = [(batch.inputs, batch.labels) for batch in taken]
    sizes, rule = (structure.n_heads, structure.ffn_width), {"vote": 0.5}
    hard, _ = oracle_search(model, "bert", *sizes, batches, k=K, **rule)
    layers = {int(element.split("/")[1]): K for element, accepted in hard if accepted}
    prune, best = oracle_search(model, "bert", *sizes, batches, **rule, groups=2, hard=layers)

    subject = torch_subject(model, family)
    lent = {"train": splits["train"], "search": splits["search"], "reader": tokenizer}
    one, two = (replace(lend(tmp_path / name), **lent) for name in "12")
    HardAttention().apply(subject, HardAttention.Config(k=K, **rule), one)
    result = AxformerPrune().apply(subject, AxformerPrune.Config(**rule, groups=2), two)
    assert [(e["element"], e["accepted"]) for e in one.journal.read() + two.journal.read()] == hard + prune
    assert result.facts["search_loss_after_nats"] == pytest.approx(best, abs=1e-5)  # float32, in another order
