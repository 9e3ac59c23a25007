"""Ordered classes without torch: labels are read as classification reads them, in the order of ``label_names``."""

import numpy as np

from axkit import DataError
from axkit.kit.kinds import ClassRows, Constant, Luck


class OrdinalLuck(Luck):
    """Each class for all rows: the best constant of every metric is among them."""

    def majority(self, train_labels, golds):
        """The middle of train."""
        return np.full_like(golds, int(np.median(train_labels)))

    def constants(self, golds, names):
        """Every class."""
        return [Constant(f"'{name}'", np.full_like(golds, place)) for place, name in enumerate(names)]

    def repeated(self, predictions, names):
        """The one class."""
        return f"'{names[int(predictions[0])]}'" if len(predictions) > 1 and len(set(predictions)) == 1 else ""


class OrdinalRows(ClassRows):
    """Rows with one of several classes that have an order."""

    luck = OrdinalLuck()

    def outputs(self, label_names):
        """One for each threshold between two classes."""
        return len(label_names) - 1

    def naming(self, task, found, head, read_off, own=None):
        """The classes are named by the data; a head has no names for thresholds, but must have as many."""
        naming = super().naming(task, found, None, read_off, own)
        if head is not None and len(head.names) != self.outputs(naming.names):
            raise DataError(
                f"{head.whose} has {len(head.names)} thresholds, task '{task.name}' has {len(naming.names)} classes "
                f"and so {self.outputs(naming.names)}; take a model without a head"
            )
        return naming
