"""The kernels of a search stay with its own copy, in this thread and in others."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from axkit.anatomy.family import family_of
from axkit.axformer.bench.hidden import Shelf
from axkit.axformer.bench.workbench import workbench
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.kernels.bound import BoundLinear
from axkit.axformer.prune import AxformerPrune
from axkit.ground import cpu
from axkit.testing import lend, tiny_split, tiny_subject

fused, stock_forward = nn.functional.scaled_dot_product_attention, nn.Linear.forward


def test_what_a_copy_is_bound_to_no_other_model_meets(family):
    subject = tiny_subject(family, 1)
    before = [type(module) for module in subject.module.modules()]
    bench = workbench(subject, tiny_split(8, family=family), Shelf(1e9))
    assert [type(module) for module in subject.module.modules()] == before
    candidate = bench.subject.structure.without_neurons(0, [0])
    probe = bench.carved(0, candidate)
    for module in (bench.subject.module, probe):  # what carving has put there is bound as well
        plain = [one for one in module.modules() if type(one) is nn.Linear]
        folded = [one for layer in bench.subject.layers for one in layer.attention_core.modules()]
        assert all(any(one is other for other in folded) for one in plain)
    assert family.fused_qkv or any(isinstance(module, BoundLinear) for module in probe.modules())


def test_while_a_search_runs_another_thread_has_the_stock_functions(tmp_path, monkeypatch):
    """Asked in the middle of a forward pass of the search, in another thread, with the results that stock ones give."""
    linear, rows = nn.Linear(6, 4), torch.randn(3, 6)
    query, key, value = torch.randn(3, 3, 2, 5, 8)
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: True)
    with torch.no_grad():
        expected = [nn.functional.linear(rows, linear.weight, linear.bias), fused(query, key, value)]
    seen = []

    def other():
        with torch.no_grad():
            results = [linear(rows), nn.functional.scaled_dot_product_attention(query, key, value)]
        seen.append(
            nn.Linear.forward is stock_forward
            and nn.functional.scaled_dot_product_attention is fused
            and not torch.is_autocast_enabled("cpu")
            and all(torch.equal(one, its) for one, its in zip(results, expected, strict=True))
        )

    real = BoundLinear.forward

    def forward(self, input):
        if self.kernels.active and len(seen) < 20:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        return real(self, input)

    monkeypatch.setattr(BoundLinear, "forward", forward)
    tools = lend(tmp_path, rows=300, family=family_of("bert"))
    AxformerPrune().apply(tiny_subject(family_of("bert"), 1), AxformerPrune.Config(vote=0.2), tools)
    assert len(seen) == 20
    assert all(seen)


def test_two_searches_in_two_threads_decide_as_each_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: True)
    jobs = [(HardAttention(), HardAttention.Config(k=4), 2), (AxformerPrune(), AxformerPrune.Config(vote=0.2), 1)]
    lent = [
        [(tiny_subject(family_of("bert"), seed), lend(tmp_path / f"{turn}-{seed}", rows=300)) for *_, seed in jobs]
        for turn in range(2)  # made here: random weights are drawn from one state for all threads
    ]

    def searched(job, given):
        (runner, config, _), (subject, tools) = job, given
        runner.apply(subject, config, tools)
        return [{name: value for name, value in line.items() if name != "seconds"} for line in tools.journal.read()]

    alone = list(map(searched, jobs, lent[0]))
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(searched, jobs, lent[1]))
    assert together == alone
    assert any(line["screened"] for lines in alone for line in lines), "premise: both precisions were in use"


@pytest.mark.parametrize(
    ("chosen", "waits", "spins"),
    [
        ({}, "passive", ("3000", "6000")),
        ({"OMP_WAIT_POLICY": "active"}, "active", ("None",)),
        ({"GOMP_SPINCOUNT": "9"}, None, ("9",)),
    ],
)
@pytest.mark.parametrize("way", ["from axkit.cli import app; app.main()", "import axkit; axkit.apply"])
def test_threads_sleep_after_a_while_unless_somebody_chose_otherwise(chosen, waits, spins, way):
    """Before torch is loaded: its OpenMP reads that once. By the command, and where Python comes in by axkit."""
    code = f"""if True:
        import os, sys
        sys.argv = ["axkit", "--version"]
        class Late:  # torch is asked for: what does its OpenMP find?
            def find_spec(self, name, *_):
                if name == "torch":
                    print("torch", os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
                    os._exit(0)
        sys.meta_path.insert(0, Late())
        import atexit
        atexit.register(lambda: print("end", *map(os.environ.get, ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")), flush=True))
        {way}
    """
    clean = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
    env = {key: value for key, value in os.environ.items() if key not in clean} | chosen | {"PYTHONUNBUFFERED": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    where, policy, count = done.stdout.splitlines()[-1].split()
    assert where == ("torch" if "apply" in way else "end"), done.stderr
    assert policy == str(waits)
    assert count in spins


@pytest.mark.parametrize(
    ("told", "spins"),
    [
        ("vendor_id : AuthenticAMD\nflags : avx2\n", "3000"),
        ("vendor_id : GenuineIntel\nflags : avx2\n", "6000"),
        ("CPU implementer : 0x41\nFeatures : asimd\n", "6000"),
        (None, "6000"),
    ],
)
def test_how_long_they_spin_goes_by_the_maker(told, spins, monkeypatch, tmp_path):
    place = tmp_path / "cpuinfo"
    if told is not None:
        place.write_text(told)
    monkeypatch.setattr("axkit.ground.processor._CPUINFO", place)
    monkeypatch.delitem(sys.modules, "torch")
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # what is set below is taken back
        monkeypatch.delenv(name)
    cpu.before_torch()
    assert os.environ["GOMP_SPINCOUNT"] == spins


def test_torch_that_is_there_already_is_left_alone(monkeypatch):
    assert "torch" in sys.modules, "premise"
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    cpu.before_torch()
    assert "OMP_WAIT_POLICY" not in os.environ


@pytest.mark.parametrize("chosen", [None, "77"])
def test_the_command_lets_onednn_keep_its_primitives_unless_somebody_chose_a_number(chosen):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    code = f"""if True:
        import os, sys
        from axkit.cli import app as cli
        sys.argv = ["axkit", "--version"]
        try:
            cli.main()
        finally:
            print("torch" in sys.modules, os.environ["{name}"])  # torch reads it when it is imported
    """
    env = {key: value for key, value in os.environ.items() if key != name} | ({name: chosen} if chosen else {})
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == f"False {chosen or 16384}"
