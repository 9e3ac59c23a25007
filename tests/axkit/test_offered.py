"""What ``axkit`` and ``axkit.kit`` offer: it is there, said, typed, and light; plugins take nothing else."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest

import axkit
import axkit.kit
import axkit.kit.kinds
import axkit.testing

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
OFFERED = {"axkit": axkit, "axkit.kit": axkit.kit, "axkit.kit.kinds": axkit.kit.kinds}
BROUGHT = {"torch", "transformers", "safetensors", "numpy", "pydantic"}  # axkit cannot be without them
CALLED = {"torch-pruning": "torch_pruning", "pillow": "PIL", "scikit-learn": "sklearn"}  # by another name


@pytest.mark.parametrize("module", OFFERED)
def test_every_name_is_there_and_once(module):
    names = list(OFFERED[module].__all__)
    assert names, "nothing is offered"
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(OFFERED[module], name) is not None, name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = OFFERED[module].nonsense


def test_a_name_of_the_kit_is_no_module_of_it():
    """``from axkit.kit import x`` would give the module as soon as somebody has imported it."""
    modules = {path.stem for path in Path(axkit.kit.__file__).parent.iterdir()}
    assert "calibrate" in modules
    assert not modules & set(axkit.kit.__all__)


def test_importing_settings_leaves_torch_alone():
    code = "import sys, axkit.kit; from axkit import InnerStep, Journal, Progress\n"
    code += "from axkit.kit import DistillationConfig, SKIP_HELP, SkipRole\n"
    code += "assert 'torch' not in sys.modules\nfrom axkit.kit import weight_bytes\nassert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", ["axkit", "axkit_plugins"])
def test_types_are_for_others_too(package):
    assert (files(package) / "py.typed").is_file()


@pytest.mark.parametrize(
    ("page", "modules"), [("python", [axkit, axkit.testing]), ("kit", [axkit.kit, axkit.kit.kinds])]
)
def test_the_reference_names_all_that_is_offered_as_it_is_imported(page, modules):
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")
    told = re.findall(r"^::: (\S+)(\n +options: {show_root_full_path: false}$)?", text, re.M)
    offered = {f"{module.__name__}.{name}" for module in modules for name in module.__all__}
    assert sorted(path for path, as_a_name in told if not as_a_name) == sorted(offered)
    for path, _ in told:
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name), path


# --- what plugins import ---


def rooms() -> dict[str, list[Path]]:
    """Each plugin by its own package, and its files: ours, and those of the examples."""
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "axkit_plugins").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        depth = 3 if parts[1:2] == ("quantize",) else 2  # the family is no plugin, what is in it is
        if parts[-1] != "__init__" or len(parts) > depth:
            found.setdefault(".".join(parts[:depth]), []).append(path)
    for path in sorted(EXAMPLES.rglob("*.py")):
        if path.name != "conftest.py" and not path.name.startswith("test_"):  # a test may look behind what is offered
            found.setdefault(path.relative_to(EXAMPLES).parts[0].replace("-", "_"), []).append(path)
    return found


def declared(project: Path) -> set[str]:
    """What a project says that it needs, by the names that are imported."""
    about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    wanted = [
        *about.get("dependencies", ()),
        *(one for some in about.get("optional-dependencies", {}).values() for one in some),
    ]
    names = {one.split("[")[0].split(">")[0].split("=")[0].split("<")[0].split(";")[0].strip() for one in wanted}
    return {CALLED.get(name, name.replace("-", "_")) for name in names} - {"axkit"}


def imported(code: str) -> list[tuple[str, str | None]]:
    """(module, name) of each import, wherever it stands, under TYPE_CHECKING too; the name is None for ``import m``."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [(module, alias.name) for alias in node.names]
    return found


def refused(code: str, own: str, packages: set[str]) -> list[str]:
    """The imports of a plugin's file that no rule allows."""
    wrong = []
    for module, name in imported(code):
        if module.startswith(".") or module == own or module.startswith(f"{own}."):
            continue
        if module in OFFERED:
            if name is None or name in import_module(module).__all__:
                continue
        elif module.partition(".")[0] in sys.stdlib_module_names | packages:
            continue
        wrong.append(module if name is None else f"{module}:{name}")
    return wrong


@pytest.mark.parametrize("own", rooms())
def test_a_plugin_imports_what_is_offered_what_is_declared_and_itself(own):
    for path in rooms()[own]:
        home = ROOT if own.startswith("axkit_plugins.") else EXAMPLES / path.relative_to(EXAMPLES).parts[0]
        project = home / "pyproject.toml"
        packages = declared(project) | BROUGHT | ({"gptqmodel"} if own.endswith("gptq") else set())
        assert not refused(path.read_text(encoding="utf-8"), own, packages), path


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("import axkit.run.engine", "axkit.run.engine"),
        ("from axkit.contract.passes import Pass", "axkit.contract.passes:Pass"),
        ("from axkit.kit.mend import cut_and_mend", "axkit.kit.mend:cut_and_mend"),
        ("from axkit import kit", "axkit:kit"),
        ("from axkit.kit import mend", "axkit.kit:mend"),
        ("if TYPE_CHECKING:\n    from axkit.tasks.split import Split", "axkit.tasks.split:Split"),
        ("def f():\n    from axkit_plugins.other import g", "axkit_plugins.other:g"),
        ("import requests", "requests"),
        ("from axkit.testing import check_pass", "axkit.testing:check_pass"),
    ],
)
def test_the_rule_sees_what_it_forbids(code, wrong):
    assert refused(code, "axkit_plugins.mine", BROUGHT) == [wrong]


def test_there_are_plugins_to_look_at():
    found = rooms()
    assert {"axkit_plugins.quantize.int8", "axkit_plugins.structured", "axkit_narrow"} <= found.keys()
    assert "axkit_plugins.quantize" not in found


# --- circles ---


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The sets of modules that reach each other."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, todo = set(), [start]
        while todo:
            for other in graph.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        reach[start] = seen
    found = {
        tuple(sorted({one, *(x for x in reach[one] if one in reach.get(x, ()))})) for one in graph if one in reach[one]
    }
    return [list(one) for one in sorted(found)]


def test_no_imports_run_in_circles():
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph("axkit", "axkit_plugins", cache_dir=None)  # imports under TYPE_CHECKING count
    edges = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    assert len(edges) > 200
    assert circles(edges) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
