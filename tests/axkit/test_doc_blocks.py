"""What the documentation shows runs: Python on tiny models, recipes are planned, commands are parsed."""

import csv
import inspect
import json
import random
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from conftest import write_rows
from doc_blocks import ROOT, blocks
from ruamel.yaml import YAML

import axkit
from axkit import apply, plan
from axkit.cli.app import cli
from axkit.goal.outcome import Compressed
from axkit.ground.errors import RecipeError
from axkit.ground.target import Target
from axkit.report import write_run
from axkit.run.each import is_family, plan_each
from axkit.run.recipe import read_source
from axkit.run.report import read_report
from axkit.tasks.spec import TaskSpec
from axkit.testing import tiny_model, tiny_tokenizer

OWN = "axkit: 1\nname: shown\n"
HEAD = f"{OWN}model: ./my-model\n"
MODELS = {"my-model": 6, "my-finetuned-bert": 6, "six-layers": 6, "six-layers-cut-to-three": 3}  # and their layers
TASK = "task: {kind: classification, files: {train: train.jsonl, test: test.jsonl}, text: sentence, label: label}\n"
ELSEWHERE = {"cd", "git", "hf", "pip", "pytest", "twine"}  # not ours to run
DIAGRAMS = {"architecture.md"}
# what a page takes for granted before its first block
PREMISES = {
    "axformer.md": """
from pathlib import Path
Path("family.yaml").write_text(
    f"{HEAD}{TASK}passes:\\n  - {{pass: axformer_prune, objective: budget, criterion: divergence, "
    "size: [1.02, 1.04], max_drop: 100}\\n"
)
""",
    "conformance.md": "from axkit_narrow import Narrow",
    "devices.md": """
from pathlib import Path
from axkit.testing import lend, tiny_subject
subject, tools = tiny_subject(axkit.family_of("bert")), lend(Path("lent"))
kind = tools.train.kind
""",
    "kit.md": "from axkit.kit import Plain",
    "reload.md": "import torch",
    "serving.md": "texts = ['a good film', 'the play was very bad and dull'] * 3",
    "write-a-kind.md": """
from axkit.testing import check_kind
words = ["dull film", "fine play", "great film", "great great play"]
rows = [{"review": f"{said} so {n}", "stars": stars} for n in range(6)
        for said, stars in zip(words, ["one", "two", "three", "four"])]
""",
    "write-a-runtime.md": "from axkit_answers import Tabulate",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what the pages speak of: a fine-tuned model, rows, two runs."""
    place = tmp_path_factory.mktemp("shown")
    labels = {"id2label": {0: "0", 1: "1"}, "label2id": {"0": 0, "1": 1}}
    for name, layers in MODELS.items():
        model = tiny_model(axkit.family_of("bert"), num_hidden_layers=layers, **labels)
        model.save_pretrained(place / name)
        tiny_tokenizer().save_pretrained(place / name)
    write_rows(place / "train.jsonl", 120, 1)
    write_rows(place / "test.jsonl", 60, 2)
    _write_reviews(place / "reviews.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("HF_DATASETS_CACHE", str(place / "hf"))
        for name, last in (("NAME", ""), ("distilbert-int8-axformer", "  - pass: int8\n")):
            text = f"{HEAD}{TASK}passes:\n  - {{pass: drop_layers, keep: [0, 1]}}\n{last}"
            write_run(apply(plan(read_source(text, "shown"))), place / "runs" / name)
        yield place


def _write_reviews(path):
    draw = random.Random(5)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["review", "rating"])
        for index in range(160):
            words = draw.choices(["film", "play", "story", "was", "so", "dull"], k=draw.randint(3, 8))
            table.writerow([" ".join([*words, ("bad", "good")[index % 2]]), index % 2])


def pages():
    """The blocks of Python, page by page: later ones go on from earlier ones."""
    found = {}
    for block in blocks("python"):
        if not block.is_included:
            found.setdefault(block.page, []).append(block)
    return found


@pytest.mark.parametrize("page", pages())
def test_python_runs(page, place, tmp_path, monkeypatch):
    """Functions called ``test_...`` are called; a block that begins with a file's name is that file."""
    monkeypatch.syspath_prepend(place)
    monkeypatch.setattr(axkit, "compress", _bound)
    names = {"axkit": axkit, "__name__": "shown", "HEAD": HEAD, "TASK": TASK}
    exec(PREMISES.get(page, ""), names)
    for block in pages()[page]:
        if file := re.match(r"# (\w+/\w+\.py)", block.text):
            _as_file(place / file[1], block.text)
            continue
        exec(compile("\n" * block.line + block.text, page, "exec"), names)
        for name in [name for name in names if name.startswith("test_")]:
            called = names.pop(name)
            called(*([tmp_path] if called.__code__.co_argcount else []))
    if page == "serving.md":
        (answer,) = names["predict"](names["Asked"](texts=["a good film"]))
        assert set(answer) == {"0", "1"}


_compress = axkit.compress


def _bound(*given, **named):
    """A goal is run to its end in tests of its own; here its arguments fit, and its outcome has what is asked of it."""
    inspect.signature(_compress).bind(*given, **named)
    made = SimpleNamespace(met=True, folder="runs/NAME", report=read_report(Path("runs/NAME")))
    assert all(hasattr(Compressed, name) or name in Compressed.__dataclass_fields__ for name in vars(made))
    return made


def test_the_notebook_runs(place, monkeypatch):
    """Cell by cell, with the folder's model and rows; it is kept without outputs."""
    monkeypatch.chdir(place)
    cells = json.loads((ROOT / "docs" / "examples" / "axkit_from_python.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 6
    names = {"__name__": "notebook"}
    for cell in code:
        assert not cell["outputs"]
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["summary"].bytes.ratio > 1.5
    assert len(list(names["model"].predict_many(["a film"]))) == 1


def _as_file(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    shutil.copyfile(ROOT / "axkit" / "anatomy" / "families" / "electra.toml", path.parent / "mine.toml")
    sys.modules.pop(path.parent.name, None)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_recipes_are_planned(block, place):
    """Whole ones, lists of passes, tasks, and settings of these."""
    if block.is_included:
        return
    shown = YAML(typ="safe", pure=True).load(block.text)
    if isinstance(shown, list) or "passes" in shown:
        body = block.text if isinstance(shown, dict) else f"passes:\n{block.text}"
        head = OWN if "model" in shown else HEAD
        whole = body if "axkit" in shown else f"{head}{TASK}{body}"
        _planned(whole.replace("pass: smallest", "pass: narrow"))  # docs/new-plugin.md made it a moment ago
    elif set(shown) == {"target"}:
        Target(**shown["target"])
    elif set(shown) == {"task"} or "kind" in shown:
        TaskSpec(**shown.get("task", shown))
    else:
        assert set(shown) <= set(TaskSpec.model_fields), "settings of a task"


def _planned(text):
    try:
        source = read_source(text, "shown")
        assert plan_each(source) if is_family(source.recipe) else plan(source)
    except RecipeError as error:
        wrong = [fault for fault in error.faults if "not installed: pip install" not in fault]
        assert not wrong


@pytest.mark.parametrize("block", blocks("", "sh", "bash"), ids=str)
def test_commands_are_there(block):
    """Ours with their options; targets of the Makefile; scripts."""
    if block.page in DIAGRAMS:
        return
    for words in block.commands:
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            _check_command(words[:end])
            words = words[end + 1 :]


def _check_command(words):
    if words[0] == "axkit":
        command = cli.get_command(click.Context(cli), words[1])
        assert command is not None, words
        command.make_parser(click.Context(command)).parse_args(words[2:])
    elif words[0] == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    elif words[0] == "python" and words[1].startswith("benchmarks/"):
        assert (ROOT / words[1]).is_file()
    else:
        assert words[0] in ELSEWHERE | {"python", "python3", "."}, words


def test_there_is_something_to_run():
    """A pattern that finds nothing would let everything pass."""
    assert len(pages()) > 8
    assert len(blocks("yaml")) > 20
    assert sum(len(block.commands) for block in blocks("")) > 20
    assert not [str(b) for page in (ROOT / "docs").glob("*.md") for b in blocks() if b.page == page.name]


def test_every_language_is_one_that_is_looked_at():
    looked = {"python", "yaml", "", "sh", "bash", "toml", "text"}
    fences = re.findall(
        r"^```([a-z]+)", "\n".join(p.read_text(encoding="utf-8") for p in Path(ROOT / "docs").glob("*.md")), re.M
    )
    assert set(fences) <= looked
