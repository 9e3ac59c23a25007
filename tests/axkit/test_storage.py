"""Room for cached hidden states: told beforehand, taken before it is used, refused in a sentence, nothing left."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from io import StringIO

import pytest
import torch
from rich.console import Console

from axkit.anatomy.family import family_of
from axkit.axformer.bench import storage
from axkit.axformer.bench.hidden import Shelf
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.cli.planned import show_plan
from axkit.contract.passes import Workload
from axkit.ground.errors import StorageError
from axkit.run.planning import plan
from axkit.run.recipe import load_source
from axkit.testing import lend, tiny_subject


@pytest.fixture
def place(tmp_path, monkeypatch):
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("AXKIT_TEMP", str(folder))
    return folder


def full(handle, start, size):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_tensor_past_the_limit_is_where_the_setting_says_and_leaves_nothing(place, monkeypatch):
    asked = []
    real = os.posix_fallocate
    monkeypatch.setattr(os, "posix_fallocate", lambda handle, *rest: (asked.append(rest), real(handle, *rest))[1])
    monkeypatch.setattr(torch, "from_file", watched := Watched(place, torch.from_file))
    shelf = Shelf(100)
    small, large = shelf.empty(5, 5), shelf.empty(100, 7)
    assert (shelf.memory_bytes, shelf.disk_bytes) == (100, 2800)
    assert asked == [(0, 2800)]
    assert watched.sizes == [2800], "the file stood whole in the folder when it was mapped"
    large.fill_(3.0)
    small.fill_(2.0)
    assert float(large.sum()) == 2100
    assert not list(place.iterdir()), "no name is left that a killed process would leave"


class Watched:
    def __init__(self, place, real):
        self.place, self.real, self.sizes = place, real, []

    def __call__(self, *args, **settings):
        self.sizes += [path.stat().st_size for path in self.place.iterdir()]
        return self.real(*args, **settings)


@pytest.mark.parametrize("why", ["full", "no folder", "read only"])
def test_no_room_is_one_sentence_and_nothing_stays(why, place, monkeypatch, tmp_path):
    if why == "no folder":
        monkeypatch.setenv("AXKIT_TEMP", str(tmp_path / "nowhere"))
    elif why == "full":
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:
        monkeypatch.setattr("tempfile.mkstemp", lambda **_: full(0, 0, 0))
    tools = lend(tmp_path)
    with pytest.raises(StorageError, match=r"^no room for .* MiB of cached hidden states in .*AXKIT_TEMP, or raise"):
        HardAttention().apply(tiny_subject(family_of("bert")), HardAttention.Config(k=3, cache_gib=0), tools)
    assert not list(place.iterdir())
    assert not tools.journal.read(), "before any candidate was looked at"


def test_a_file_system_that_cannot_reserve_is_written_to(place, monkeypatch):
    def unable(handle, start, size):
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "posix_fallocate", unable)
    path = storage.reserved(2**20 + 17)
    assert path.stat().st_size == 2**20 + 17
    assert path.stat().st_blocks * 512 >= 2**20, "really written"
    path.unlink()
    monkeypatch.delattr(os, "posix_fallocate")
    storage.reserved(100).unlink()


def test_a_limit_that_the_system_itself_sets_is_told():
    """Not a signal: in a process of its own, which would die of one."""
    code = """if True:
        import os, resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        from axkit.axformer.bench.hidden import Shelf
        from axkit.ground.errors import StorageError
        try:
            Shelf(0).empty(1000, 1000)
        except StorageError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no room for 3.8 MiB of cached hidden states in ")
    assert done.stdout.count("\n") == 1


def test_what_is_memory_is_told(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\ntmpfs {tmp_path}/a\\040b tmpfs rw 0 0\n")
    monkeypatch.setattr(storage, "_MOUNTS", mounts)
    assert not storage.is_memory(tmp_path)
    assert storage.is_memory(tmp_path / "a b" / "deep")
    monkeypatch.setattr(storage, "_MOUNTS", tmp_path / "none")
    assert not storage.is_memory(tmp_path)


@pytest.mark.parametrize("gib", [0.0, 0.2, 0.5, 2.0])
@pytest.mark.parametrize("runner", [HardAttention(), AxformerPrune()])
def test_the_plan_foresees_no_less_than_is_taken(runner, gib, place, tmp_path, monkeypatch):
    """In thousandths: 0.5 stands for half of what a tiny search keeps."""
    taken = []
    real = Shelf.empty
    monkeypatch.setattr(Shelf, "empty", lambda self, *shape: (taken.append((self, shape)), real(self, *shape))[1])
    tools, subject = lend(tmp_path), tiny_subject(family_of("bert"), 1)
    limit = gib * 2**20
    settings = {"cache_gib": limit / 2**30} | ({"k": 3} if isinstance(runner, HardAttention) else {"vote": 0.2})
    runner.apply(subject, runner.Config(**settings), tools)
    on_disk = {shelf: shelf.disk_bytes for shelf, _ in taken}
    main = taken[0][0]
    opened = max((size for shelf, size in on_disk.items() if shelf is not main), default=0)
    work = Workload({"search": 40}, int(tools.search.lengths.max()), False, 3, 32, 24)
    inputs, block = storage.sizes(work, 40, isinstance(runner, AxformerPrune))
    assert main.disk_bytes + opened <= storage.on_disk(inputs, block, limit)
    assert main.memory_bytes <= limit


def test_the_plan_says_it(workplace, place, monkeypatch):
    made = plan(load_source(workplace / "recipe.yaml"))
    work = made.given.workload()
    assert (work.layers, work.hidden, work.ffn_width, work.windows) == (3, 32, 24, False)
    assert work.rows == {name: len(split) for name, split in made.rows.splits.items()}
    shown = StringIO()
    show_plan(made, Console(file=shown, width=200))
    said = re.compile(r"note   1 hard_attention: the search caches at most 0\.\d MiB of hidden states, in memory")
    assert said.search(shown.getvalue())
    config = AxformerPrune.Config()
    assert "MiB of hidden states, in memory" in AxformerPrune().foresee_work(config, work)
    large = Workload({"search": 10_000}, 512, False, 12, 768, 3072)
    said = AxformerPrune().foresee_work(config, large)
    assert f"in files in {place}" in said
    assert "AXKIT_TEMP moves them" in said
    windows = Workload({"search": 10}, 384, True, 12, 768, 3072)
    assert "more where a context takes several windows" in HardAttention().foresee_work(HardAttention.Config(), windows)
    budget = AxformerPrune.Config(objective="budget", speedup=2.0)
    assert "in memory" in AxformerPrune().foresee_work(budget, Workload({"search": 10_000}, 64, False, 12, 384, 1536))
