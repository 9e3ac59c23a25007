"""What ``axkit new-plugin`` writes installs, and its own test passes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import axkit

from axkit.scaffold.plugin import GROUPS, planned, write_plugin

NAMES = {"pass": "smallest", "task": "my-rows", "kind": "focal", "family": "ernie", "runtime": "bag_of"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """One of each, as written by the command."""
    place = tmp_path_factory.mktemp("plugins")
    for what, name in NAMES.items():
        write_plugin(planned(name, what), place)
    return sorted(place.iterdir())


def test_each_installs_and_passes_its_own_test(packages, tmp_path):
    """Into a folder of its own, with the tools of this environment; their tests run together, to start once."""
    assert len(packages) == len(GROUPS) == len(NAMES)
    site = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(site),
    ]
    subprocess.run([*pip, *map(str, packages)], check=True, capture_output=True)
    away = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    run = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        *map(str, packages),
    ]
    env = {**os.environ, "PYTHONPATH": away, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stdout
    listed = subprocess.run(
        [sys.executable, "-m", "axkit", "tasks"], capture_output=True, text=True, cwd=tmp_path, env=env
    )
    assert "my-rows" in listed.stdout


def test_the_wheel_has_what_the_package_reads(packages, tmp_path):
    """Data beside the code: the family's TOML, the task's rows."""
    data = {path.name for package in packages for path in package.rglob("*") if path.suffix in (".toml", ".jsonl")}
    assert data == {"pyproject.toml", "family.toml", "rows.jsonl"}
    rows = next(path for package in packages for path in package.rglob("rows.jsonl"))
    assert {json.loads(line)["label"] for line in rows.read_text().splitlines()} == {"positive", "negative"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x",), "say what 'x' is to be: one of --pass, --task, --kind, --family, --runtime"),
        (("x", "--pass", "--kind"), "say what 'x' is to be"),
        (("Bad Name", "--pass"), "'Bad Name' names no plugin"),
        (("../x", "--pass"), "names no plugin"),
        (("class", "--pass"), "names no plugin"),
        (("int8", "--pass"), "there is a pass 'int8' already (`axkit passes`)"),
        (("earnie", "--family"), "no architecture 'earnie' (did you mean 'ernie'?)"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    code, _, err = axkit("new-plugin", *words, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert said in err
    assert not list(Path().iterdir())


def test_what_is_there_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, _ = axkit("new-plugin", "mine", "--pass", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "cd axkit-mine && pip install -e . && pytest" in out
    (tmp_path / "axkit-mine" / "README.md").write_text("mine")
    code, _, err = axkit("new-plugin", "mine", "--kind", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "axkit-mine is there already" in err
    assert (tmp_path / "axkit-mine" / "README.md").read_text() == "mine"
