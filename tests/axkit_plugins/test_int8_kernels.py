"""The kernels of ``int8``: the same integers whichever computes them, chosen by measuring and remembered."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import nn

from axkit import NotApplicable
from axkit.anatomy.family import family_of
from axkit.kit import Remembered, input_grid, linear_at, linear_names, replace_module
from axkit.kit import int8_choosing as choosing
from axkit.kit import int8_products as kernels
from axkit.kit.int8_choosing import CHOICE, Measured, ProductCase, bucket, choose, fastest_of, time_in_turn
from axkit.kit.int8_products import KERNELS, IntegerProduct, fitting, kernels_here, sums
from axkit.testing import lend, tiny_split, tiny_subject
from axkit_plugins.quantize.int8 import Int8, audit
from axkit_plugins.quantize.int8.modules import Int8Linear
from axkit_plugins.quantize.int8.settled import in_words, kernel_rows

RANGE = (-3.0, 4.0)


@pytest.fixture
def measuring(monkeypatch, tmp_path):
    """As for a user: measured, and remembered in a folder of this test."""
    monkeypatch.setenv(CHOICE, "measure")
    monkeypatch.setenv("AXKIT_CACHE", str(tmp_path / "cache"))
    choosing._memory.cache_clear()
    yield tmp_path / "cache"
    choosing._memory.cache_clear()


def product_of(inputs, outputs, fixed, largest=127, bias=True):
    torch.manual_seed(inputs + outputs)
    weight = torch.randint(-largest, largest + 1, (outputs, inputs), dtype=torch.int8)
    grid = input_grid(RANGE) if fixed else None
    return IntegerProduct(weight, torch.rand(outputs) * 0.01, torch.randn(outputs) if bias else None, grid)


def by_hand(product, x):
    """The product in integers, scaled in float64; and what one step of one input moves, at most."""
    step, zero = product.grid or torch._choose_qparams_per_tensor(x)
    q = torch.quantize_per_tensor(x, step, zero, torch.quint8).int_repr().long() - zero
    y = (q @ product.weight.long().T).double() * step * product.scale.double()
    y = y if product.bias is None else y + product.bias
    return y.float(), float(step * product.scale.max() * 127)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_computes_the_same_integers(name, fixed):
    if sums(name, fixed) == "none":
        assert name not in kernels_here(fixed)
        pytest.skip("not here")
    for inputs, outputs, bias in ((64, 32, True), (30, 7, False), (129, 40, True)):
        product = product_of(inputs, outputs, fixed, bias=bias)
        kernel = fitting(name, product)
        for shape in ((1,), (3, 5), (300,)):
            x = torch.randn(*shape, inputs)
            expected, step = by_hand(product, x)
            apart = (kernel(x) - expected).abs()
            assert apart.shape == (*shape, outputs)
            if name in kernels_here(fixed):
                assert torch.equal(kernel(x), fitting(kernels_here(fixed)[0], product)(x))
                assert apart.max() <= 1e-5 * expected.abs().max()
            assert apart.max() <= 2 * step, "an input that lies between two steps may go to either"


def test_there_is_a_kernel_and_the_usual_one_is_first():
    engines = torch.backends.quantized.supported_engines
    assert kernels_here(False)[0] == ("x86" if "x86" in engines else kernels_here(False)[0])
    assert len(kernels_here(False)) >= 1


@pytest.mark.parametrize("fixed", [False, True])
def test_no_sum_saturates_whatever_the_processor_adds_up_in(fixed):
    """In ``make lowered`` oneDNN adds pairs up in 16 bits; elsewhere nothing does."""
    weight = torch.full((32, 64), 127, dtype=torch.int8)
    product = IntegerProduct(weight, torch.ones(32), None, (1 / 255, 0) if fixed else None)
    assert product.could_saturate
    x = torch.ones(20, 64)
    x[:, 0] = 0
    for name in kernels_here(fixed):
        torch.testing.assert_close(fitting(name, product)(x), torch.full((20, 32), 127.0 * 63), atol=0.01, rtol=0)


def test_what_could_saturate():
    def of(*rows):
        return IntegerProduct(torch.tensor(rows, dtype=torch.int8), torch.ones(len(rows)), None, None).could_saturate

    assert not of([64, 64, 0, 0, -64, -64])  # 255 * 128 = 32640
    assert of([64, 65, 0, 0])
    assert of([64, 0, 65, 0]), "kernels may lay four inputs out in another order"
    assert not of([64, 0, 0, 0, 65]), "these two are never added up first"
    assert of([-64, -65])
    assert not of([127, -127])
    assert not of([127])


def test_halved_weights_give_the_same_sums(monkeypatch):
    product = product_of(48, 16, False)
    assert product.could_saturate
    whole = {name: fitting(name, product) for name in kernels_here(False)}
    x = torch.randn(9, 48)
    expected = {name: kernel(x) for name, kernel in whole.items()}
    monkeypatch.setattr(kernels, "sums", lambda name, fixed: "saturate")
    for name in whole:
        split = fitting(name, product)
        assert split is not whole[name]
        torch.testing.assert_close(split(x), expected[name], atol=1e-5, rtol=1e-5)
    small = product_of(48, 16, False, largest=63)
    made = []
    monkeypatch.setitem(kernels.KERNELS, "one", lambda product: made.append(product))
    fitting("one", small)
    assert made == [small], "nothing is halved that cannot saturate"


def test_a_kernel_that_answers_something_else_is_none(monkeypatch):
    sums.cache_clear()
    monkeypatch.setitem(kernels.KERNELS, "wrong", lambda product: lambda x: torch.zeros(len(x), len(product.scale)))
    monkeypatch.setitem(kernels.KERNELS, "absent", lambda product: torch.ops.nothing.here())
    assert sums("wrong", False) == sums("absent", False) == "none"
    sums.cache_clear()


def test_rows_that_are_taken_to_be_alike():
    edges = [0, 1, 4, 16, 64, 256, 1024]
    for number, edge in enumerate(edges[1:]):
        assert bucket(edges[number] + 1) == bucket(edge) == number
    assert bucket(1025) == bucket(10**6) == 6


def test_the_usual_kernel_stays_unless_another_is_clearly_faster():
    assert fastest_of(("a", "b"), {"a": 1.04, "b": 1.0}) == "a"
    assert fastest_of(("a", "b"), {"a": 1.06, "b": 1.0}) == "b"
    assert fastest_of(("a", "b", "c"), {"a": 9.0, "b": 2.0, "c": 1.0}) == "c"


def two_kernels(monkeypatch, seconds, quiet=True):
    """Two names for one kernel, with times by bucket; the cases that were measured."""
    usual = kernels_here(False)[0]
    monkeypatch.setitem(KERNELS, "other", KERNELS[usual])
    monkeypatch.setattr(choosing, "kernels_here", lambda fixed: (usual, "other"))
    asked = []

    def time_in_turn(ready, x):
        asked.append((sorted(ready), x.numel() // x.shape[-1]))
        return Measured({usual: 1.0, "other": seconds(x.numel() // x.shape[-1])}, quiet)

    monkeypatch.setattr(choosing, "time_in_turn", time_in_turn)
    return usual, asked


def test_each_number_of_rows_has_its_kernel_and_is_measured_once(measuring, monkeypatch):
    usual, asked = two_kernels(monkeypatch, lambda rows: 0.5 if rows > 16 else 2.0)
    linear = Int8Linear.from_float(nn.Linear(32, 8))
    few, many = torch.randn(3, 5, 32), torch.randn(40, 32)
    answers = linear(few), linear(many)
    assert linear.chosen() == {2: usual, 3: "other"}
    assert [rows for _, rows in asked] == [15, 40]
    assert torch.equal(linear(few), answers[0])
    Int8Linear.from_float(nn.Linear(32, 8))(few)
    assert len(asked) == 2, "another layer of the shape is not measured again"
    assert torch.equal(copy.deepcopy(linear)(many), answers[1])
    (path,) = measuring.iterdir()
    kept = json.loads(path.read_text())
    assert kept["seconds"] == {"32x8 rows 16": {usual: 1.0, "other": 2.0}, "32x8 rows 64": {usual: 1.0, "other": 0.5}}
    assert kept["machine"]["torch"] == torch.__version__
    assert kept["machine"]["threads"] == torch.get_num_threads()
    rows = kernel_rows(nn.Sequential(linear, linear))
    assert [(row["rows_up_to"], row["kernel"], row[f"times_{usual}"]) for row in rows] == [
        ("16", usual, 1.0),
        ("64", "other", 2.0),
    ]
    assert "other" in in_words(rows)


def test_what_is_remembered_is_not_measured_by_the_next_process(measuring, monkeypatch):
    _, asked = two_kernels(monkeypatch, lambda rows: 0.5)
    x = torch.randn(2, 32)
    Int8Linear.from_float(nn.Linear(32, 8))(x)
    choosing._memory.cache_clear()  # a new process
    again = Int8Linear.from_float(nn.Linear(32, 8))
    again(x)
    assert len(asked) == 1
    assert again.chosen() == {1: "other"}


def test_what_was_measured_on_a_busy_machine_is_not_remembered(measuring, monkeypatch):
    usual, asked = two_kernels(monkeypatch, lambda rows: 0.5, quiet=False)
    for _ in range(2):
        Int8Linear.from_float(nn.Linear(32, 8))(torch.randn(2, 32))
    assert len(asked) == 1, "this process goes by it"
    assert choosing.kernel_times(ProductCase(32, 8, 1, False))[usual] == 1.0
    assert not measuring.exists()


@pytest.mark.parametrize("interrupted", [(), (1,), (1, 2, 3, 4)])
def test_turns_that_were_interrupted_do_not_count(monkeypatch, interrupted):
    """One kernel, four turns of 3 s of which the processor worked 2; the second of them is the shortest."""
    turns = iter(range(100))
    now = {"wall": 0.0, "cpu": 0.0, "switches": 0}

    def kernel(x):
        turn = next(turns)
        now["wall"] += 1.0 if turn == 1 else 3.0
        now["cpu"] += 2.0
        now["switches"] += turn in interrupted

    monkeypatch.setattr(choosing, "_interruptions", lambda: now["switches"])
    monkeypatch.setattr(choosing.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(choosing.time, "process_time", lambda: now["cpu"])
    found = time_in_turn({"one": kernel}, torch.zeros(1))
    quiet = len(interrupted) < 4
    expected = 1.0 if not interrupted else 3.0 if quiet else 2.0
    assert found == Measured({"one": expected}, quiet)


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"seconds": 3}', '{"seconds": {"32x8 rows 4": {"x86": "fast"}}}'])
def test_a_damaged_memory_is_measured_anew(measuring, monkeypatch, damage):
    usual, asked = two_kernels(monkeypatch, lambda rows: 0.5)
    place = Remembered("int8-kernels", torch.get_num_threads()).path
    place.parent.mkdir()
    place.write_text(damage)
    Int8Linear.from_float(nn.Linear(32, 8))(torch.randn(2, 32))
    assert len(asked) == 1
    assert json.loads(place.read_text())["seconds"]["32x8 rows 4"][usual] == 1.0


def test_a_memory_that_cannot_be_written_costs_nothing_but_measuring(measuring, monkeypatch):
    _, asked = two_kernels(monkeypatch, lambda rows: 0.5)
    measuring.write_text("a file where the folder should be")
    for _ in range(2):
        Int8Linear.from_float(nn.Linear(32, 8))(torch.randn(2, 32))
    assert len(asked) == 1
    choosing._memory.cache_clear()
    Int8Linear.from_float(nn.Linear(32, 8))(torch.randn(2, 32))
    assert len(asked) == 2


def test_two_processes_add_to_what_is_there(measuring):
    one, other = Remembered("int8-kernels", 1), Remembered("int8-kernels", 1)
    assert one.get("a") == other.get("a") == {}
    one.put("a", {"x": 1.0})
    other.put("b", {"x": 2.0})
    assert Remembered("int8-kernels", 1).get("a") == {"x": 1.0}
    assert Remembered("int8-kernels", 1).get("b") == {"x": 2.0}
    assert Remembered("int8-kernels", 2).get("a") == {}, "other threads, another machine"
    assert [path.name for path in measuring.iterdir()] == [one.path.name], "no draft is left"


def test_a_kernel_that_is_pinned_is_taken_and_nothing_measured(measuring, monkeypatch):
    monkeypatch.setattr(choosing, "time_in_turn", None)
    case = ProductCase(32, 8, 1, False)
    for name in kernels_here(False):
        monkeypatch.setenv(CHOICE, name)
        assert choose(case, None, torch.randn(2, 32)) == name
    monkeypatch.setenv(CHOICE, "usual")
    assert choose(case, None, torch.randn(2, 32)) == kernels_here(False)[0]
    monkeypatch.setenv(CHOICE, "fastest")
    with pytest.raises(NotApplicable, match="AXKIT_INT8_KERNEL=fastest is no int8 kernel that this machine has"):
        choose(case, None, torch.randn(2, 32))
    assert not measuring.exists()


def test_measuring_is_real_and_leaves_torch_as_it_was(measuring):
    engine = torch.backends.quantized.engine
    linear = Int8Linear.from_float(nn.Linear(32, 8))
    x = torch.randn(2, 32)
    y = linear(x)
    (name,) = linear.chosen().values()
    assert name in kernels_here(False)
    times = choosing.kernel_times(ProductCase(32, 8, 1, False, linear_halves(linear)))
    if len(kernels_here(False)) > 1:
        assert times.keys() == set(kernels_here(False))
        assert all(0 < value < 1 for value in times.values())
    torch.testing.assert_close(y, fitting(name, IntegerProduct(linear.weight, linear.scale, linear.bias, None))(x))
    assert torch.backends.quantized.engine == engine


def linear_halves(linear):
    return ProductCase.of(IntegerProduct(linear.weight, linear.scale, linear.bias, None), 1).halved


def saturated_by_hand(layer, inputs):
    """Sums of two neighbouring products beyond 16 bits, one by one."""
    step, zero = layer.grid or torch._choose_qparams_per_tensor(inputs)
    q = torch.quantize_per_tensor(inputs, step, zero, torch.quint8).int_repr().int()
    products = q[:, None, :] * layer.weight.int()
    sums = products[..., 0::2] + products[..., 1::2]
    return int((sums.gt(32767) | sums.lt(-32768)).sum()), sums.numel()


@pytest.mark.parametrize("input_range", [None, (-1.0, 5.0)])
def test_saturating_sums_are_counted_as_by_hand(tmp_path, input_range, monkeypatch):
    monkeypatch.setattr(audit, "_AT_ONCE", 1000)  # several parts
    subject, split = tiny_subject(family_of("bert")), tiny_split(12)
    names = linear_names(subject)
    for name in names:
        replace_module(subject.module, name, Int8Linear.from_float(linear_at(subject.module, name), input_range))
    seen = {name: [] for name in names}
    for name in names:
        hook = subject.module.get_submodule(name).register_forward_pre_hook
        hook(lambda module, args, name=name: seen[name].append(args[0].detach().flatten(0, -2)))
    found = audit.saturating(subject.module, names, split, 12)
    expected = {}
    for name in names:
        over, of = zip(*(saturated_by_hand(subject.module.get_submodule(name), one) for one in seen[name]), strict=True)
        if sum(over):
            expected[name] = 1e6 * sum(over) / sum(of)
    assert expected, "premise: some do, as random weights are large beside each other"
    assert {one.layer: one.per_million for one in found} == pytest.approx(expected)
    assert [one.per_million for one in found] == sorted(expected.values(), reverse=True)
    assert audit.saturating(subject.module, names, split, 0) == []


def test_a_reduced_range_saturates_nowhere_and_the_note_has_the_way_to_it(tmp_path):
    def run(**settings):
        subject = tiny_subject(family_of("bert"))
        return subject, Int8().apply(subject, Int8.Config(**settings), lend(tmp_path, family=subject.family))

    subject, result = run()
    assert result.tables["saturation"]
    assert "without VNNI" in result.note
    assert "reduce_range: true" in result.note
    subject, result = run(reduce_range=True)
    assert result.tables["saturation"] == []
    assert "VNNI" not in result.note
    layers = [module for module in subject.module.modules() if isinstance(module, Int8Linear)]
    assert {int(layer.weight.abs().max()) for layer in layers} == {63}
    assert not any(IntegerProduct(layer.weight, layer.scale, None, None).could_saturate for layer in layers)
    assert run(saturation_rows=0)[1].tables["saturation"] == []
