"""Which of the teacher's layers a layer of the student is compared with. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from axkit.ground.errors import NotApplicable

if TYPE_CHECKING:
    from axkit.anatomy.structure import Structure


def layer_map(
    student: Structure, teacher: Structure, declared: Mapping[int, int] | Sequence[int] | None = None
) -> dict[int, int]:
    """Student's layer -> teacher's layer, both counted in their dense models; layers that have gone are left out.

    By default a layer answers for the removed ones behind it: it is compared with the teacher's layer whose output the
    next layer that is left was made to read, and the last with the teacher's last. With every second layer gone that
    is TinyBERT's uniform map (Jiao et al. 2020, section 3: the m-th of M layers learns from the m N / M-th of N),
    which also scales it to a teacher of another depth. What is pruned within layers changes nothing.

    Args:
        student: what is left of the student.
        teacher: of the teacher.
        declared: the map itself, or the teacher's layer for each of the student's layers that are left, in order.

    Raises:
        NotApplicable: it names layers that there never were, or a list of another length.
    """
    there = [index for index, layer in enumerate(student.layers) if layer.present]
    depth, full = len(student.layers), len(teacher.layers)
    if declared is None:
        ends = [*there[1:], depth]  # layers of the dense student that are done after each one
        return {index: -(-end * full // depth) - 1 for index, end in zip(there, ends, strict=True)}
    if not isinstance(declared, Mapping):
        if len(declared) != len(there):
            raise NotApplicable(
                f"'layers' lists {len(declared)} of the teacher's layers, and {len(there)} layers of the model are "
                f"left; list one for each, or write a map {{student: teacher}}"
            )
        declared = dict(zip(there, declared, strict=True))
    for what, named, count in (("model", declared.keys(), depth), ("teacher", declared.values(), full)):
        unknown = sorted(index for index in named if not 0 <= index < count)
        if unknown:
            raise NotApplicable(
                f"'layers' names layer {unknown[0]} of the {what}, which has layers 0 to {count - 1} when dense; "
                f"name some of those"
            )
    return {index: declared[index] for index in there if index in declared}
