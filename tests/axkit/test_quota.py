"""Threads follow the container's quota, of either version of control groups."""

from __future__ import annotations

import pytest

from axkit.ground import cpu, quota


def groups(folder, own, files):
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return folder / "cgroup", folder / "own"


def one(share, period="100000"):
    return {"cpu,cpuacct/docker/a/cpu.cfs_quota_us": share, "cpu,cpuacct/docker/a/cpu.cfs_period_us": period}


@pytest.mark.parametrize(
    ("own", "files", "found"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000", "cpu.max": "400000 100000"}, 1.5),
        ("0::/not/seen/here\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("4:cpu,cpuacct:/docker/a\n0::/\n", one("300000"), 3.0),
        ("4:cpu,cpuacct:/docker/a\n", one("-1"), None),
        ("4:cpu,cpuacct:/host/way\n", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 2.5),
        ("4:cpuset:/docker/a\n", one("300000"), None),
        ("nonsense\n", {"cpu.max": "200000 100000"}, None),
        ("0::/\n", {"cpu.max": "many few"}, None),
        ("0::/\n", {}, None),
    ],
)
def test_a_quota_is_what_the_tightest_group_says(own, files, found, tmp_path):
    assert quota.quota(*groups(tmp_path, own, files)) == found


@pytest.mark.parametrize(
    ("own", "files", "found"),
    [
        ("0::/a\n", {"a/memory.max": "max\n", "memory.max": "2000000\n"}, 2_000_000),
        ("0::/a\n", {"a/memory.max": "1000\n", "memory.max": "2000000\n"}, 1000),
        ("5:memory:/docker/a\n", {"memory/docker/a/memory.limit_in_bytes": "3000\n"}, 3000),
        ("5:memory:/docker/a\n", {"memory/docker/a/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, 2**40),
        ("4:cpu:/docker/a\n", {"memory/docker/a/memory.limit_in_bytes": "3000\n"}, 2**40),
        ("nonsense\n", {}, 2**40),
    ],
)
def test_memory_is_the_machine_s_or_the_tightest_group_s(own, files, found, tmp_path, monkeypatch):
    monkeypatch.setattr(quota, "_physical", lambda: 2**40)
    assert quota.memory_bytes(*groups(tmp_path, own, files)) == found


def test_memory_that_nobody_tells_is_none(tmp_path, monkeypatch):
    def nobody(_):
        raise ValueError

    monkeypatch.setattr(quota.os, "sysconf", nobody)
    assert quota.memory_bytes(tmp_path / "none", tmp_path / "nothing") is None


def test_no_such_thing_is_no_quota(tmp_path):
    assert quota.quota(tmp_path / "none", tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("limit", "threads"), [("1550000", None), ("390000", 4), ("150000", 1), ("30000", 1), ("max", None)]
)
def test_fewer_threads_where_the_quota_is_less_than_the_processors(limit, threads, tmp_path, monkeypatch):
    monkeypatch.setattr(quota, "processors", lambda: 8)
    assert quota.fewer_threads(*groups(tmp_path, "0::/\n", {"cpu.max": f"{limit} 100000"})) == threads


@pytest.mark.parametrize(("chosen", "found"), [(None, "3"), ("7", "7")])
def test_they_are_set_before_torch_is_there_unless_somebody_chose(chosen, found, monkeypatch):
    monkeypatch.setattr(cpu, "fewer_threads", lambda: 3)
    for name in ("torch", "torch.nn"):  # as in a process that has not asked for it
        monkeypatch.delitem(cpu.sys.modules, name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "0")  # restored at the end, whatever is set here
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "1")
    monkeypatch.delenv("OMP_NUM_THREADS")
    if chosen:
        monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    cpu.before_torch()
    assert cpu.os.environ["OMP_NUM_THREADS"] == found
