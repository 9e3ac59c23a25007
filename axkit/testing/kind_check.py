"""``check_kind``: a kind of task held to its contract on a tiny random model, without network."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from axkit.anatomy.family import family_of
from axkit.tasks.kinds.data import KindRows, rows_of
from axkit.tasks.kinds.kind import Kind, kind_of
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.kinds.metric import Metric
from axkit.tasks.labels.shown import shown_labels, shown_rows
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import TaskRows, load_rows
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import Task, TaskSpec
from axkit.tasks.split import Split
from axkit.testing.kind_case import TOLERANCE, Case, alike, predicted
from axkit.testing.looks import say
from axkit.testing.tiny import tiny_model, tiny_reader

_LIMIT = 60  # tokens, of the tiny tokenizer
_LIGHT = """
import sys
from axkit.tasks.kinds.data import rows_of
rows_of(sys.argv[1])
sys.exit("torch" in sys.modules or "transformers" in sys.modules)
"""


def check_kind(name: str, rows: Sequence[Mapping[str, Any]], **task: Any) -> None:
    """Hold a kind of task to its contract.

    Args:
        name: as it is registered under ``axkit.kinds``.
        rows: ten or more, of several lengths and labels, in order; they are train, search and test.
        task: the other keys of the task: ``text="review", label="stars"``.

    Raises:
        AssertionError: with the broken clause, and what to mend.
        AxkitError: the rows are not what the kind takes.
    """
    about = kind_of(name)
    _check_metrics_named(about)
    given = copy.deepcopy(list(rows))
    spec = TaskSpec(kind=name, **{"metric": [metric.name for metric in about.metrics], **task})
    data = load_rows(Task("check", spec, lambda: dict.fromkeys(("train", "search", "test"), given)), Samples())
    say(given == list(rows), "reading rows changed them; the data half must leave them as they are")
    _check_rows(rows_of(name), spec, data)
    family = family_of("bert" if about.inputs == "tokens" else "vit")
    outputs = rows_of(name).outputs(data.label_names)
    settings: dict[str, Any] = {"problem_type": about.problem_type} if about.problem_type else {}
    model = tiny_model(family, head=about.head, num_labels=outputs, **settings)
    split = Split(data.splits["test"], spec, KINDS[name], tiny_reader(family), _LIMIT)
    case = Case(about, rows_of(name), KINDS[name], data, split, model)
    _check_losses(case)
    _check_soft_losses(case)
    _check_calibration(case)
    _check_predictions(case)
    _check_first(case)
    _check_scores(case)
    _check_luck(case)
    _check_training(case)
    _check_voice(case)
    _check_light(name)


def _check_metrics_named(about: Kind) -> None:
    names = [metric.name for metric in about.metrics]
    say(bool(names), "the kind has no metric; give it one")
    say(len(set(names)) == len(names), f"two metrics have one name ({', '.join(names)}); give each its own")
    first = about.metrics[0]
    say(first.decides, f"decisions are made on the first metric, and '{first.name}' is none to decide on; order them")


def _check_rows(half: KindRows, spec: TaskSpec, data: TaskRows) -> None:
    train = data.splits["train"]
    wanted = np.dtype(half.label_type or object)
    say(train.labels.dtype == wanted, f"labels are {train.labels.dtype}, and label_type says {wanted}; mend one")
    try:
        told = [*shown_rows(spec, data), *shown_labels(spec, data).values(), half.shown.label(train, train.labels[0])]
    except Exception as error:  # the author's code, which is told what it met
        raise AssertionError(
            f"shown cannot tell labels of {train.labels.dtype} ({error}); mend it, or label_type"
        ) from error
    say(all(isinstance(one, str) and one for one in told), "shown must tell rows and labels as texts, none empty")
    placeholder = half.unlabelled(train.texts[0], data.label_names)
    alike = np.shape(placeholder) == np.shape(train.labels[0]) or half.label_type is None
    say(alike, f"unlabelled() gives {placeholder!r}, and labels are as {train.labels[0]!r}; mend it")
    outputs = half.outputs(data.label_names)
    fits = not kind_of(spec.kind).names_outputs or outputs == len(data.label_names)
    say(fits, f"outputs() is {outputs}, and names_outputs says as many as labels, {len(data.label_names)}; mend one")


def _check_losses(case: Case) -> None:
    batch = case.split.batch(range(len(case.split)))
    losses = case.kind.losses(case.logits(batch), batch.labels)
    count = len(case.split)
    say(tuple(losses.shape) == (count,), f"losses must be one for each example, ({count},), not {tuple(losses.shape)}")
    say(bool(torch.isfinite(losses).all()), "losses of a random model must be finite")
    say(bool((losses >= 0).all()), "losses must not be negative: budgets and searches compare sums of them")
    for index in range(count):
        one = case.split.batch([index])
        gap = abs(float(case.kind.losses(case.logits(one), one.labels)[0]) - float(losses[index]))
        say(
            gap <= TOLERANCE,
            f"alone, example {index + 1} has another loss than in a batch ({gap:.2g} apart); padding and other "
            f"examples must not count",
        )


def _check_soft_losses(case: Case) -> None:
    batch = case.split.batch(range(len(case.split)))
    ours = case.logits(batch)
    wanted = ours + torch.randn(ours.shape, generator=torch.Generator().manual_seed(0))
    apart, same = (case.kind.soft_losses(ours, other, batch.labels, 2.0) for other in (wanted, ours))
    shape = (len(case.split),)
    say(tuple(apart.shape) == shape, f"soft_losses must be one for each example, {shape}, not {tuple(apart.shape)}")
    say(
        bool((apart >= -TOLERANCE).all()) and bool(torch.isfinite(apart).all()),
        "soft_losses must be finite, and not negative",
    )
    say(bool((same.abs() <= TOLERANCE).all()), "soft_losses of two models that answer alike must be 0")


def _check_calibration(case: Case) -> None:
    if not case.kind.can_calibrate:
        return
    batch = case.split.batch(range(len(case.split)))
    logits = case.logits(batch)
    better = case.kind.calibrated(logits, batch.labels)
    before, after = (float(case.kind.losses(one.float(), batch.labels).mean()) for one in (logits, better))
    say(after <= before + TOLERANCE, f"calibrated() raised the mean loss from {before:.4g} to {after:.4g}; mend it")
    if case.half.stratified:
        same = case.kind.predictions(logits, batch.labels) == case.kind.predictions(better, batch.labels)
        say(bool(same), "calibrated() changed a decision; it may only rescale")


def _check_predictions(case: Case) -> None:
    if case.kind.predicts_numbers:
        batch = case.split.batch([0, 1])
        found = np.asarray(case.kind.predictions(case.logits(batch), batch.labels))
        say(found.ndim == 1 and found.dtype != object, "predicts_numbers says one number an example, and it is more")
    whole, alone = (predicted(case, case.split, size) for size in (len(case.split), 1))
    count = len(case.split.golds)
    say(len(whole) == count, f"gather() must give a prediction for each of {count} rows, not {len(whole)}")
    say(
        alike(whole, alone),
        "a prediction depends on the batch of its example; it may look at that example alone",
    )
    rows = case.data.splits["test"]
    back = np.random.default_rng(0).permutation(len(rows))
    turned = replace(rows, texts=[rows.texts[i] for i in back.tolist()], labels=rows.labels[back])
    other = predicted(case, Split(turned, case.split.spec, case.kind, case.split.tokenizer, _LIMIT))
    say(alike(other, whole[back]), "gather() does not give predictions in the order of the rows; mend it")


def _check_first(case: Case) -> None:
    part = case.split.first(len(case.split) // 2)
    whole, some = (predicted(case, one) for one in (case.split, part))
    say(0 < len(part) < len(case.split), f"first() kept {len(part)} of {len(case.split)} examples; give a part")
    say(
        len(some) == len(part.golds) and alike(some, whole[: len(some)]),
        "first() must keep whole rows, in order",
    )


def _check_scores(case: Case) -> None:
    found = predicted(case, case.split)
    turned = np.random.default_rng(0).permutation(len(found))
    doubled = np.zeros(len(found), dtype=np.int64)
    for metric in case.about.metrics:
        points, again = (_points(case, metric, found[rows], rows) for rows in (np.arange(len(found)), turned))
        for value in (*points.values(), *_points(case, metric, found[doubled], doubled).values()):
            say(bool(np.isfinite(value)), f"metric '{metric.name}' gave {value!r}; it must be finite on any rows")
        same = points.keys() == again.keys() and all(abs(points[name] - again[name]) < 1e-6 for name in points)
        say(same, f"metric '{metric.name}' depends on the order of the rows; a bootstrap draws them in any order")


def _points(case: Case, metric: Metric, predictions: Any, rows: Any) -> Mapping[str, float]:
    found = metric.points(predictions, case.split.golds[rows], case.data.label_names, case.split.positive)
    say(
        isinstance(found, Mapping) == metric.per_class,
        f"metric '{metric.name}' gave {found!r:.60}, and per_class is {metric.per_class}; mend one of them",
    )
    return found if isinstance(found, Mapping) else {"": float(found)}


def _check_luck(case: Case) -> None:
    golds, names, luck = case.split.golds, case.data.label_names, case.half.luck
    constants = luck.constants(golds, names)
    say(bool(constants), "luck.constants() gives no answer; give at least one")
    for one in constants:
        say(len(one.predictions) == len(golds), f"constant {one.answer} has not one answer for each row")
        say(
            bool(luck.repeated(one.predictions, names)),
            f"luck.repeated() takes constant {one.answer} for several",
        )
    majority = luck.majority(case.data.splits["train"].labels, golds)
    say(len(majority) == len(golds), "luck.majority() must give one answer for each row")
    for metric in (one for one in case.about.metrics if one.decides):
        everything = np.arange(len(golds))
        best = max(_points(case, metric, one.predictions, everything)[""] for one in constants)
        other = _points(case, metric, majority, everything)[""]
        say(
            other <= best + 1e-6,
            f"luck.majority() scores {other:.4g} by '{metric.name}', and the best of luck.constants() {best:.4g}: the "
            f"best constant for each metric must be among them",
        )


def _check_training(case: Case) -> None:
    batch = case.split.batch(range(min(8, len(case.split))))
    try:
        loss = case.model(**batch.inputs, **case.kind.feed.targets(batch.labels)).loss
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        raise AssertionError(
            f"the model takes not what feed.targets() gives ({error!s:.200}); mend it, or problem_type, by which "
            f"transformers chooses its loss"
        ) from error
    say(
        loss is not None and bool(torch.isfinite(loss)),
        "with feed.targets() the model must give a finite loss",
    )


def _check_voice(case: Case) -> None:
    spec, names = case.split.spec, case.data.label_names
    text = tuple(one if isinstance(one, str) else "" for one in case.data.splits["test"].texts[0])
    if case.half.lists:
        text = (" ".join(case.data.splits["test"].texts[0]),)
    if not all(text):
        return  # an image of a file, say
    asked: SplitRows = case.kind.voice.asked(text, names)
    split = Split(asked, spec, case.kind, case.split.tokenizer, _LIMIT)
    said = case.kind.voice.said(split.heard(case.model, case.kind.voice), split.encoded, spec, asked)
    try:
        json.dumps(said, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"voice.said() gives no JSON ({error}); give numbers, texts, lists, dicts") from error
    say(bool(said), "voice.said() says nothing")


def _check_light(name: str) -> None:
    """In a process of its own: this one has torch."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", _LIGHT, name], env=environment, capture_output=True, check=False)
    say(
        done.returncode == 0,
        "the data half imports torch or transformers; leave that to the compute half",
    )
