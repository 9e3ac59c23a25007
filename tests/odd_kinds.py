"""Kinds of task that are wrong, each in one place; ``tests/axkit/test_kind_check.py`` registers them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from axkit.tasks.kinds import classification
from axkit.tasks.kinds.classification.compute import Classification, Shares
from axkit.tasks.kinds.classification.rows import ClassLuck, ClassRows, ShownClasses
from axkit.tasks.kinds.feed import Feed
from axkit.tasks.kinds.luck import Constant
from axkit.tasks.kinds.metric import Metric

KINDS = {}


def kind(name, rows=ClassRows, compute=Classification, **about):
    """Put a kind under a name; each has what classification has, but for what is given."""
    made = replace(
        classification.KIND,
        name=name,
        rows=f"odd_halves:{name}_rows",
        compute=f"odd_halves:{name}_compute",
        **about,
    )
    KINDS[name] = (made, rows, type(name, (compute,), {"about": made}))


def metric(function, **more):
    return (Metric("odd", function, **more),)


def of(base, **methods):
    return type("Odd", (base,), methods)


def fed(**methods):
    return of(Classification, feed=of(Feed, **methods)())


def lucky(**methods):
    return of(ClassRows, luck=of(ClassLuck, **methods)())


class ByRank(Classification):
    def predictions(self, logits, labels):
        return (logits[:, 0] > logits[:, 0].mean()).long().tolist()


class Sharpened(Classification):
    def calibrated(self, logits, labels):
        return 100 * logits


class Spread(Classification):
    def losses(self, logits, labels):
        plain = super().losses(logits, labels)
        return plain * len(plain)


def changed(self, spec, row, where):
    row["s"] = row["s"].lower() + " "
    return (row["s"],)


kind("fine")
kind("negative", compute=of(Classification, losses=lambda self, logits, labels: -logits.square().sum(-1)))
kind("summed", compute=of(Classification, losses=lambda self, logits, labels: torch.ones(())))
kind("nan_loss", compute=of(Classification, losses=lambda self, logits, labels: logits.sum(-1) * torch.nan))
kind("by_batch", compute=Spread)
kind("by_rank", compute=ByRank)
kind("soft_apart", compute=of(Classification, soft_losses=lambda self, a, b, labels, t: a.square().sum(-1)))
kind("soft_mean", compute=of(Classification, soft_losses=lambda self, a, b, labels, t: (a - b).square().mean()))
kind("worse", compute=Sharpened)
kind("numbers", compute=of(Classification, predictions=lambda self, logits, labels: logits.argmax(-1, True).tolist()))
kind("turned", compute=fed(gather=lambda self, found, encoded, spec: np.array(found)[::-1]))
kind("lost", compute=fed(gather=lambda self, found, encoded, spec: np.array(found)[1:]))
kind("all_first", compute=fed(first=lambda self, encoded, examples: encoded))
kind("no_target", compute=fed(targets=lambda self, labels: {"golds": labels}))
kind("float_target", compute=fed(targets=lambda self, labels: {"labels": labels.float()}))
kind("no_json", compute=of(Classification, voice=of(Shares, said=lambda self, heard, *_: {"share": heard[0]})()))
kind("not_finite", metrics=metric(lambda predictions, golds, names: float("nan")))
kind("ordered", metrics=metric(lambda predictions, golds, names: float((predictions * np.arange(len(golds))).sum())))
kind("each", metrics=metric(lambda predictions, golds, names: {"a": 1.0}))
kind("no_metric", metrics=())
kind("undecided", metrics=metric(lambda predictions, golds, names: 1.0, is_error=True))
kind("twice", metrics=classification.KIND.metrics + classification.KIND.metrics[:1])
kind("no_luck", rows=lucky(constants=lambda self, golds, names: []))
kind("short_luck", rows=lucky(constants=lambda self, golds, names: [Constant("'a'", golds[:1])]))
kind("poor_luck", rows=lucky(constants=lambda self, golds, names: [Constant("'a'", np.full_like(golds, 2))]))
kind("blind", rows=lucky(repeated=lambda self, predictions, names: ""))
kind("short_majority", rows=lucky(majority=lambda self, train, golds: golds[:1]))
kind("floats", rows=of(ClassRows, label_type=None))
kind("mute", rows=of(ClassRows, shown=of(ShownClasses, label=lambda self, split, label: "")()))
kind("changes", rows=of(ClassRows, texts=changed))
kind("outputs", rows=of(ClassRows, outputs=lambda self, names: 7))
kind("heavy")
kind("broken", rows=of(ClassRows, texts=lambda self, spec, row, where: 1 / 0))
