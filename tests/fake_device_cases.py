"""The cases of ``fake_device``: models, quantizers, a search, trainings, on a device without numbers."""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch
from conftest import FAMILIES, UNLIKE
from fake_device import THERE, case, is_there, laid_out, numbed, numberless, on_it, places, there
from torch._subclasses.fake_tensor import unset_fake_temporarily

from axkit.anatomy.family import family_of
from axkit.anatomy.surgery import check_first_token
from axkit.axformer.bench.hidden import HiddenStates
from axkit.axformer.bench.order import Padded
from axkit.axformer.rule.criteria import Loss
from axkit.ground.device import CPU, Device, device_of
from axkit.runtimes.torch.body import torch_subject
from axkit.testing import tiny_split, tiny_subject

QUANTIZED = ("int8", "int8 static", "int4_vsq", "gptq")


def shaped(family, shape):
    """A tiny model of a family in one of its shapes."""
    subject = tiny_subject(family)
    now = subject.structure
    if shape == "hard":
        now = now.change(min(1, len(now.layers) - 1), hard_k=3)
    if shape == "carved":
        last = len(now.layers) - 1
        now = now.without_heads(0, [1]).without_neurons(0, range(5)).without_ffn(min(1, last)).without_attention(last)
    if shape == "first":
        now = dataclasses.replace(now, first_token_only=True)
    subject.carve(now)
    return subject


def quantized(subject, how):
    """Empty modules of a quantizer in the model's place."""
    from axkit.kit import embedding_names, linear_names

    linear, embedding = linear_names(subject, ()), embedding_names(subject)
    if how.startswith("int8"):
        from axkit_plugins.quantize.int8.modules import restore

        static = linear if how.endswith("static") else []
        restore(subject.module, {"linear": linear, "embedding": embedding, "static": static})
    elif how == "int4_vsq":
        from axkit_plugins.quantize.int4_vsq import Int4Vsq

        Int4Vsq().restore(subject, Int4Vsq.Config(), {"linear": linear, "embedding": embedding})
    elif how == "gptq":
        from axkit_plugins.quantize.gptq import Gptq

        Gptq().restore(subject, Gptq.Config(group=16), {"linear": linear})


def runs(name, shape, how=None):
    family = family_of(name)
    subject, split = shaped(family, shape), tiny_split(8, family=family)
    if how:
        quantized(subject, how)
    with numberless():
        is_there(there(subject.module.eval())(**on_it(split)))
        answered = subject.body.answer(split.batch(range(6)).inputs)
        assert answered["logits"].device.type == "cpu", "answers come back"


for _name in FAMILIES:
    for _shape in ("dense", "hard", "carved", "first"):
        if _shape == "first" and not check_first_token(tiny_subject(family_of(_name)).module, family_of(_name)):
            continue
        case("models", f"{_name} {_shape}")(partial(runs, _name, _shape))
    for _how in QUANTIZED:
        for _shape in ("dense", "hard", "carved"):
            case("quantized", f"{_name} {_shape} {_how}")(partial(runs, _name, _shape, _how))


@case("quantizers", "int8")
def _():
    from axkit_plugins.quantize.int8.modules import Int8Embedding, Int8Linear

    with numberless():
        linear, x = torch.nn.Linear(8, 6, device=THERE.name), torch.ones(3, 8, device=THERE.name)
        for made in (Int8Linear.from_float(linear), Int8Linear.from_float(linear, (-1.0, 2.0))):
            assert {tensor.device.type for tensor in made.state_dict().values()} == {THERE.kind}
        is_there(Int8Linear.from_float(linear)(x))
        table = Int8Embedding.from_float(torch.nn.Embedding(5, 4, device=THERE.name))
        is_there(table(torch.ones(2, 3, dtype=torch.long, device=THERE.name)))


@case("quantizers", "int4_vsq")
def _():
    from axkit_plugins.quantize.int4_vsq import numbers
    from axkit_plugins.quantize.int4_vsq.modules import VsqLinear

    with numberless():
        weight, x = torch.ones(6, 20, device=THERE.name), torch.ones(3, 20, device=THERE.name)
        for importance in (None, torch.ones(20, device=THERE.name)):
            made = numbers.quantize(weight, 16, 6, importance)
        is_there(made.float(16))
        is_there(numbers.per_channel(weight))
        linear = VsqLinear(20, 6, True, 16, 6, activation_bits=8, device=THERE.name)
        linear.fill(made)
        is_there(linear(x))


@case("quantizers", "gptq")
def _():
    from axkit_plugins.quantize.gptq.modules import GroupLinear

    with numberless():
        linear = GroupLinear(20, 6, True, 16, THERE.name)
        linear.fill((torch.ones(6, 20, dtype=torch.int8, device=THERE.name), torch.ones(6, 2, device=THERE.name)))
        is_there(linear(torch.ones(3, 20, device=THERE.name)))


@case("quantizers", "fake rounding")
def _():
    from axkit_plugins.quantize.q8bert.fake import rounded_inputs, rounded_rows

    with numberless():
        weight = torch.ones(6, 8, device=THERE.name)
        is_there(rounded_rows(weight))
        is_there(rounded_inputs(weight, 3.0))


@case("quantizers", "ranges of inputs")
def _():
    from axkit.kit import inputs

    with numberless():
        for how in ("percentile", "ema"):
            is_there(inputs._ends(torch.ones(50, device=THERE.name), how))


@case("quantizers", "least squares")
def _():
    """What needs no number: sums, and the solution on some inputs."""
    from axkit.kit.least_squares import Moments, Spread

    with numberless():
        x, y = torch.ones(9, 6, device=THERE.name), torch.ones(9, 4, device=THERE.name)
        moments, spread = Moments(6, 4, THERE.name), Spread(4, THERE.name)
        moments.gram += (x.T @ x).double().new_zeros(7, 7)
        spread._sum += y.double().sum(0)
        is_there(moments.cross)


def calibrated(name):
    """What blocks do with rows, up to where a number is asked for."""
    from axkit.kit.calibrate import Calibration, last_output

    family = family_of(name)
    subject, split = tiny_subject(family), tiny_split(8, family=family)
    calibration = Calibration(split, 8)
    with numberless():
        there(subject.module)
        for what in ("attention", "ffn"):
            for seen in calibration.look(subject, 0, what):
                is_there(seen.sums)
        is_there(last_output(subject, calibration.batches[0]))


for _name in ("bert", "modernbert"):
    case("quantizers", f"calibration of {_name}")(partial(calibrated, _name))


def lent(subject, folder, rows):
    """Tools with the device; rows whose lengths differ."""
    from axkit.testing import lend

    with unset_fake_temporarily():
        tools = lend(Path(folder), teacher=tiny_subject(family_of("bert")), rows=rows, family=subject.family)
    numbed(subject.module)
    return dataclasses.replace(tools, device=THERE)


@contextmanager
def dice(monkeypatched, growth=0.0):
    """In the place of what a device without numbers tells a search: the tensor code runs, then dice speak.

    Losses grow with every batch: the more, the fewer candidates come near enough to be tried part by part.
    """
    seen = count()

    def see(self, logits, labels, rows):
        is_there(logits)
        losses = self.kind.losses(logits.cpu(), labels).double()
        assert losses.device.type == "cpu"
        return np.random.default_rng(len(labels)).uniform(0, 1, (len(labels), 1)) + growth * next(seen)

    laid = (Padded, "__init__", laid_out)
    with ExitStack() as stack:
        for owner, name, stand_in in (*monkeypatched, (Loss, "see", see), (HiddenStates, "places", places), laid):
            stack.enter_context(patch.object(owner, name, stand_in))
        yield


def searched(name, room, shape="dense", rows=12, **settings):
    """A whole search by the rule; its hidden states on the device, or beside it."""
    from axkit.axformer.prune import AxformerPrune

    subject = shaped(family_of(name), shape)
    config = AxformerPrune.Config(groups=2, **settings)
    free = (Device, "free_bytes", lambda self: room)
    with tempfile.TemporaryDirectory() as folder, dice([free]), numberless():
        result = AxformerPrune().apply(subject, config, lent(subject, folder, rows))
    assert result.facts["evaluations"] > 5
    assert (result.facts["cached_memory_bytes"] == 0) == bool(room), "where the hidden states were"


for _name in (*UNLIKE, "albert", "vit"):
    case("search", f"{_name}, hidden states on the device")(partial(searched, _name, 2**30))
case("search", "bert, hidden states in memory")(partial(searched, "bert", 0))
case("search", "bert, hard")(partial(searched, "bert", 2**30, "hard"))


@case("search", "hard attention")
def _():
    from axkit.axformer.hard_attention import HardAttention

    subject = shaped(family_of("bert"), "dense")
    with tempfile.TemporaryDirectory() as folder, dice([]), numberless():
        HardAttention().apply(subject, HardAttention.Config(k=3), lent(subject, folder, 12))


@case("search", "importance")
def _():
    from axkit.axformer.budget.importance import importance

    subject, split = shaped(family_of("bert"), "carved"), tiny_split(8)
    with numberless(), torch.enable_grad():
        there(subject.module)
        heads, neurons = importance(subject, split, 8)
        assert {scores.device.type for scores in (*heads.values(), *neurons.values())} == {"cpu"}


@case("search", "screening in 16 bits")
def _():
    """After the error of the dense model was measured; autocast itself no backend in Python can have."""
    from axkit.axformer.prune import AxformerPrune

    subject = shaped(family_of("bert"), "dense")
    half = (Device, "half", property(lambda self: "bfloat16"))
    cast = (Device, "autocast", lambda self, wanted=True: nullcontext())
    with tempfile.TemporaryDirectory() as folder, dice([half, cast]), numberless():
        result = AxformerPrune().apply(subject, AxformerPrune.Config(groups=2), lent(subject, folder, 260))
    assert result.facts["evaluations"] > 5


def stepped(name, shape, **config):
    """One step of a distillation, gradients included, and the teacher's answers before it."""
    from axkit.kit.train.distillation import Distiller
    from axkit_plugins.distill import Distill

    subject, family = shaped(family_of(name), shape), family_of(name)
    split = tiny_split(8, family=family)
    teacher = tiny_subject(family).module
    settings = Distill.Config(**config)
    pairs = None
    if settings.hidden or settings.attention:
        from axkit.kit.train.watching import Pairs

        whole = tiny_subject(family)
        teacher = whole.module
        pairs = Pairs(subject, whole, {0: 0, 2: 2}, bool(settings.hidden), bool(settings.attention))
    trainer = SimpleNamespace(teacher=teacher, distillation=settings, kind=split.kind, pairs=pairs)
    trainer._ask, trainer._between = partial(Distiller._ask, trainer), partial(Distiller._between, trainer)
    with numberless(), torch.enable_grad():
        there(subject.module).train()
        batch = split.batch(range(6))
        inputs = {**batch.on(THERE).inputs, "labels": batch.labels.to(THERE.name)}
        loss = Distiller.compute_loss(trainer, subject.module, inputs)
        is_there(loss)
        loss.backward()
        assert {p.grad.device.type for p in subject.module.parameters() if p.grad is not None} == {THERE.kind}


for _name in FAMILIES:
    case("training", f"{_name} carved, soft and hard labels")(partial(stepped, _name, "carved", hard=1.0))
# (attention scores are picked by lists of heads, for which torch asks the backend itself for memory)
case("training", "bert, hidden states")(partial(stepped, "bert", "dense", hidden=1.0, cosine=1.0))


@case("training", "the teacher's answers")
def _():
    from axkit.kit.answers import row_logits

    subject = shaped(family_of("bert"), "dense")
    with tempfile.TemporaryDirectory() as folder, numberless():
        tools = lent(subject, folder, 12)
        found = row_logits(subject.module, tools.train, tools.device)
        assert found.logits.device.type == "cpu"
        assert device_of(subject.module) == CPU, "it was lent the device, and came back"


@case("training", "rounded to 8 bits")
def _():
    from axkit.kit import linear_names
    from axkit_plugins.quantize.q8bert.fake import round_for_good

    subject, split = shaped(family_of("bert"), "dense"), tiny_split(8)
    names = linear_names(subject, ())
    with numberless():
        there(subject.module)
        round_for_good(subject.module, dict.fromkeys(names, 2.0), ())
        is_there(subject.module(**on_it(split)))


@case("bert-base", "search")
def _():
    """The shape of bert-base, 200 rows: nothing of the search stays behind, or goes where it must not."""
    from transformers import BertConfig, BertForSequenceClassification

    from axkit.axformer.prune import AxformerPrune

    with torch.device("meta"):
        module = BertForSequenceClassification(BertConfig(num_labels=2)).eval()
    module = module.to_empty(device="cpu")
    subject = torch_subject(module)
    free = (Device, "free_bytes", lambda self: 80 * 2**30)
    with tempfile.TemporaryDirectory() as folder, dice([free], 0.1), numberless():
        result = AxformerPrune().apply(subject, AxformerPrune.Config(groups=2), lent(subject, folder, 200))
    assert result.facts["evaluations"] >= 24, "each of the 24 blocks at least"
