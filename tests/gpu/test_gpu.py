"""What only a GPU can show: the decisions of the CPU, stages that reload, a clock that tells the time.

Tiny to small models, random weights, 200 rows; a few minutes in all. Skipped where there is no GPU: ``make gpu``.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from axkit import apply, plan
from axkit.anatomy.family import family_of
from axkit.axformer.budget.clock import started
from axkit.axformer.budget.ledger import Ledger
from axkit.axformer.prune import AxformerPrune
from axkit.axformer.screen.evaluate import evaluator
from axkit.ground.device import Device, copied_to, enough_memory
from axkit.ground.errors import DeviceError
from axkit.ground.stopwatch import taken
from axkit.ground.target import Target
from axkit.measure.fill import filled
from axkit.measure.inputs import Inputs, real_batch
from axkit.measure.speed import speed
from axkit.report import write_run
from axkit.run.recipe import Recipe
from axkit.runtimes.folder import load_subject
from axkit.runtimes.torch.body import torch_subject
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.source.split_rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Split
from axkit.testing import lend, logits_of, tiny_split, tiny_subject, tiny_tokenizer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here that torch can use"),
]
CLOSE = 1e-4  # of logits in float32 on two devices


@pytest.fixture(scope="module")
def device():
    return Device.of("cuda:0")


def test_float32_answers_are_those_of_the_cpu(any_family, device):
    subject, split = tiny_subject(any_family), tiny_split(24, family=any_family)
    expected = logits_of(subject.module, split)
    with device.holding(subject.module):
        found = split.evaluate(subject.module)
    assert torch.equal(logits_of(subject.module, split), expected), "the weights came back as they were"
    assert found.losses == pytest.approx(split.evaluate(subject.module).losses, abs=CLOSE)


@pytest.mark.parametrize("vote", [0.3, 0.5])
def test_a_search_decides_as_on_the_cpu(unlike_family, device, tmp_path, vote):
    """Without screening: what is decided there is decided in float32 too, but at other moments."""
    config = AxformerPrune.Config(vote=vote, screening="none", groups=4)
    decided = {}
    for where in (Device(), device):
        subject = tiny_subject(unlike_family, 3)
        teacher = tiny_subject(unlike_family, 3)
        tools = lend(tmp_path / where.kind, teacher=teacher, rows=200, family=unlike_family)
        AxformerPrune().apply(subject, config, dataclasses.replace(tools, device=where))
        lines = tools.journal.read()
        decided[where.kind] = {line["element"]: line["accepted"] for line in lines}, subject.structure
    assert decided["cpu"] == decided["cuda"]
    assert any(decided["cpu"][0].values()), "a premise: something was accepted"
    assert not all(decided["cpu"][0].values()), "a premise: something was refused"


PASSES = """
  - {pass: finetune, epochs: 2, learning_rate: 3e-3, batch_size: 16}
  - {pass: hard_attention, k: 5}
  - {pass: axformer_prune, tolerance: 0.1}
  - {pass: distill, epochs: 1, learning_rate: 1e-3}
  - {pass: structured, ratio: 0.2, importance: obs, mend: true}
"""


@pytest.mark.parametrize("last", ["bf16", "fp16", "int4_vsq", "int8", "int8_bnb", "int4_bnb"])
def test_each_stage_reloads_and_the_report_names_the_gpu(workplace, device, last):
    if last.endswith("bnb"):
        pytest.importorskip("bitsandbytes")
    head = (workplace / "recipe.yaml").read_text().partition("passes:")[0]
    target = "" if last == "int8" else "target: {device: cuda, batch: 16}\n"
    made = plan(Recipe.read(f"{head}{target}passes:{PASSES}  - {{pass: {last}}}\n"))
    run = apply(made, workplace / "runs", device=device)
    assert not next(run.subject.module.parameters()).is_cuda, "a subject rests on the CPU"
    write_run(run, workplace / "out")
    report = json.loads((workplace / "out" / "report.json").read_text())
    assert report["summary"]["device"] == report["machine"]["gpu"].split(", ")[0] == torch.cuda.get_device_name(0)
    assert report["summary"]["peak_device_memory_bytes"] > 0
    folders = list((workplace / "runs" / ".stages").rglob("stage.json"))
    assert len(folders) == 6
    for one in folders:
        load_subject(one.parent)
    found = load_subject(workplace / "out")
    assert found.structure == run.subject.structure


def _base(layers: int):
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=64, hidden_size=768, num_hidden_layers=layers, max_position_embeddings=64, num_labels=2
    )
    return torch_subject(BertForSequenceClassification(config).eval())


def _rows(words: int) -> Split:
    """200 rows that are all this long."""
    random = np.random.default_rng(3)
    texts = [(" ".join(random.choice(["good", "bad", "film", "play", "dull"], words)),) for _ in range(200)]
    spec = TaskSpec(kind="classification", text="sentence", label="label")
    return Split(SplitRows(texts, random.integers(0, 2, 200)), spec, KINDS["classification"], tiny_tokenizer(), 60)


@pytest.mark.parametrize(("batch", "words"), [(8, 8), (200, 56)], ids=["bound by launches", "bound by work"])
def test_the_clock_is_within_a_tenth_of_the_whole_model(device, tmp_path, batch, words):
    subject, rows = _base(6), _rows(words)
    tools = dataclasses.replace(
        lend(tmp_path, teacher=subject.copy(), family=subject.family, search=rows),
        device=device,
        target=Target(device=device.name, batch=batch),
    )
    bench = evaluator(subject, tools, AxformerPrune.Config(), rehearse=False).bench
    clock = started(bench, tools, Ledger(tools))
    cut = bench.subject.structure.without_attention(1).without_ffn(4).without_neurons(2, range(1536))
    predicted = clock.share(cut)
    small = subject.copy()
    small.carve(cut)
    inputs = rows.batch(range(batch)).on(device).inputs
    there = [copied_to(device, one.module) for one in (subject, small)]
    with tools.target.computing():
        turns = [[taken(device, one, (), inputs).seconds for one in there] for _ in range(9)]
    whole, left = (min(times) for times in zip(*turns, strict=True))
    measured = left / whole
    print(f"clock: predicted {predicted:.3f}, measured {measured:.3f}, dense {1e3 * whole:.2f} ms")
    assert predicted == pytest.approx(measured, rel=0.1)


def test_a_search_of_base_size_mixes_no_devices(device, tmp_path):
    subject, rows = _base(12), _rows(40)
    config = AxformerPrune.Config(groups=2, tolerance=0.1, mend=True, mend_rows=64)
    tools = dataclasses.replace(
        lend(tmp_path, teacher=subject.copy(), family=subject.family, search=rows),
        device=device,
        target=Target(device=device.name, batch=64),
    )
    AxformerPrune().apply(subject, config, tools)
    assert subject.structure != tools.teacher.structure
    assert not next(subject.module.parameters()).is_cuda, "a subject rests on the CPU"


def test_events_and_the_host_tell_a_launch_bound_model(device):
    subject = tiny_subject(family_of("bert"))
    found = speed({"one": subject.body}, Inputs.of(tiny_split(64)), rounds=2, target=Target(device=device.name))["one"]
    assert found.host.b1_share > 0.8, "three layers of 32 values wait for their launches"


def test_as_many_rows_as_keep_it_busy(device):
    """Twice as many at a time give hardly more a second."""
    subject, rows = _base(6), _rows(20)
    found = filled(subject.body, rows, Target(device=device.name))
    assert found.few_per_s <= found.per_s
    assert 32 <= found.batch <= 4096
    targets = [Target(device=device.name, dtype=device.half, batch=found.batch * times) for times in (1, 2)]
    with targets[0].computing():
        module = copied_to(device, subject.module)
        spent = [
            min(taken(device, module, (), real_batch(rows, one.batch).on(device).inputs).seconds for _ in range(5))
            for one in targets
        ]
    print(f"filled by {found.batch} rows: {found.per_s:.0f} rows/s, 32: {found.few_per_s:.0f}")
    assert spent[1] > 1.4 * spent[0]


def test_a_full_memory_is_a_sentence(device):
    full = pytest.raises(DeviceError, match="is full: take fewer rows")
    with full, enough_memory(device, "take fewer rows"):
        torch.empty(2**45, device=device.name)
