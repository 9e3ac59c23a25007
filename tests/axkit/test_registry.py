"""Strangers: they work like ours, collide loudly, break alone."""

from __future__ import annotations

import sys

import pytest

from axkit.ground import registry
from axkit.ground.errors import PluginError


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution on sys.path that has nothing but metadata (and a module, if given)."""

    def put(name, entry_points, module=""):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        (tmp_path / f"{name}.py").write_text(module)
        registry.forget()

    monkeypatch.syspath_prepend(tmp_path)
    yield put
    registry.forget()
    for name in ("stranger", "rival", "broken"):
        sys.modules.pop(name, None)


def test_a_strangers_name_is_listed_without_importing(install):
    install("stranger", "[axkit.passes]\nnarrow = stranger:Narrow\n", "raise RuntimeError('imported')")
    entry = registry.entries(registry.PASSES)["narrow"]
    assert entry.distribution == "stranger 1.0"
    assert "stranger" not in sys.modules


def test_a_collision_is_told_by_distribution(install):
    install("rival", "[axkit.passes]\nint8 = rival:X\n")
    with pytest.raises(PluginError, match=r"'int8' is registered by .*rival 1.0.*; uninstall one") as caught:
        registry.get(registry.PASSES, "int8")
    assert "axkit 0" in str(caught.value)
    assert registry.get(registry.PASSES, "finetune")


@pytest.mark.parametrize(
    ("module", "why"),
    [("import nonsense_xyz", "ModuleNotFoundError"), ("raise RuntimeError('boom')", "boom"), ("", "AttributeError")],
)
def test_a_broken_plugin_is_told_and_breaks_nothing_else(install, module, why):
    install("broken", "[axkit.passes]\nbad = broken:Bad\n", module)
    with pytest.raises(PluginError, match=f"'bad' of broken 1.0 cannot be imported.*{why}"):
        registry.get(registry.PASSES, "bad")
    assert registry.get(registry.PASSES, "int8")


def test_unknown_name():
    with pytest.raises(PluginError, match="did you mean 'int8'"):
        registry.get(registry.PASSES, "int88")


def test_colons_and_slashes_in_names():
    assert registry.get(registry.MODELS, "embedded:bert").name == "embedded:bert"
    assert registry.get(registry.TASKS, "glue/stsb").spec.metric_name == "pearson"
