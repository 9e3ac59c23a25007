"""The model that a pass learns from, or repairs to: the run's dense one, or one that its settings name."""

from __future__ import annotations

from axkit.contract.subject import Subject
from axkit.contract.tools import Tools
from axkit.ground.errors import NotApplicable
from axkit.runtimes.torch.opening import open_subject

DENSE = "dense"  # the run's own


def teacher_of(name: str, student: Subject, tools: Tools) -> Subject:
    """The teacher, in eval mode, with the student's outputs in the student's order; whoever asks leaves it as it is.

    Args:
        name: ``dense``, or a folder, a registered model, a hub id, as in a recipe.
        student: the model at hand.
        tools: with train, and for ``dense`` the teacher.

    Raises:
        NotApplicable: it is trained on another task.
        CheckpointError: there is none, it is damaged, or it splits text into other pieces.
    """
    if name == DENSE:
        assert tools.teacher is not None, "planned: the pass needs a teacher"
        teacher: Subject = tools.teacher
    else:
        names = tuple(student.module.config.id2label.values())
        teacher = open_subject(name, tools.reader, tools.train.kind, names, int(tools.train.lengths.max()))
    ours, theirs = (one.module.config.num_labels for one in (student, teacher))
    if ours != theirs:
        raise NotApplicable(
            f"teacher '{name}' has {theirs} outputs, the model {ours}: take a teacher trained on this task"
        )
    teacher.module.eval()
    return teacher
