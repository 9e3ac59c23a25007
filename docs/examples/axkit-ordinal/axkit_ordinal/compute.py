"""Ordered classes where they are computed: is it above the first class, above the second, ... (Frank and Hall 2001)."""

import numpy as np
import torch

from axkit.kit.kinds import Encoded, Feed, TaskKind, Voice, divergence
from axkit_ordinal import KIND


class Thresholds(Feed):
    """A label is a yes or no for each threshold; golds stay classes."""

    def encode(self, rows, job):
        """Class 2 of 4 is above two thresholds: 1, 1, 0."""
        plain = super().encode(rows, job)
        bits = (rows.labels[:, None] > np.arange(len(job.label_names) - 1)).astype(np.int64)
        return Encoded(plain.examples, plain.lengths, bits, rows.labels, plain.at_limit)

    def targets(self, labels):
        """As transformers' loss of several labels wants them."""
        return {"labels": labels.float()}


class Grades(Voice):
    """The class, and how likely each is."""

    def said(self, heard, encoded, spec, rows):
        """Class -> probability: above the threshold before it and not above its own; never below 0."""
        above = torch.cat([torch.ones(1), heard[0].sigmoid().cummin(0).values, torch.zeros(1)])
        return dict(zip(rows.label_names, (above[:-1] - above[1:]).tolist(), strict=True))


class Ordinal(TaskKind):
    """One of several classes that have an order."""

    about = KIND
    feed = Thresholds()
    voice = Grades()
    predicts_numbers = True

    def losses(self, logits, labels):
        """Binary cross entropy, mean over thresholds."""
        entropy = torch.nn.functional.binary_cross_entropy_with_logits
        return entropy(logits.float(), labels.float(), reduction="none").mean(-1)

    def soft_losses(self, logits, wanted, labels, temperature):
        """Divergence of each threshold's yes and no, mean over thresholds."""
        return divergence(self.outcomes(logits), self.outcomes(wanted), temperature).mean(-1)

    def outcomes(self, logits):
        """Yes or no, of each threshold."""
        return torch.stack([logits, torch.zeros_like(logits)], -1)

    def predictions(self, logits, labels):
        """As many thresholds as it is above."""
        return (logits > 0).sum(-1).tolist()
