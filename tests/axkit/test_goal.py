"""One goal, one command: what is seen of model and data, what is written, what is tried, what is said."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from command import refused
from conftest import Heard, write_base_model, write_rows, write_trained_model

import axkit
from axkit.anatomy.family import family_of
from axkit.axformer.settings import AxformerPruneConfig
from axkit.goal import Goal
from axkit.goal.columns import Told, columns_of
from axkit.goal.gpu import SERVED, rows_at_a_time, sixteen_bits
from axkit.goal.ladder import Clock, Ladder, ideas
from axkit.goal.look import Asked, Looked, look
from axkit.goal.order import order_doubt
from axkit.goal.outcome import Tried, choose, frontier
from axkit.goal.peek import Peeked, peek
from axkit.goal.rungs import Rungs
from axkit.goal.written import Draft, scalar
from axkit.ground.errors import DataError, RecipeError
from axkit.ground.plain.tree import parse
from axkit.measure.fill import Filled
from axkit.run.planning import plan
from axkit.run.recipe import load_source, read_source
from axkit.tasks.kinds.kind import kind_of
from axkit.testing import tiny_model, tiny_tokenizer


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """A fine-tuned tiny model and one file of rows; the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    write_trained_model(tmp_path / "model")
    write_rows(tmp_path / "all.jsonl", 200, 1)
    return tmp_path


PROSE = [
    "a fine story, told well",
    "this is far too long and dull",
    "one more sentence of words",
    "and yet another one",
]


@pytest.mark.parametrize(
    ("columns", "kind", "names", "told", "expected"),
    [
        ({"review": PROSE, "sentiment": list("pnpn")}, "classification", (), Told(), (("review",), "sentiment")),
        ({"id": list("1234"), "a": PROSE, "b": list("PNPN")}, "classification", ("p", "n"), Told(), (("a",), "b")),
        ({"a": PROSE, "b": list("xyxy")}, "classification", (), Told(), (("a",), "b")),
        (
            {"premise": PROSE, "hypothesis": PROSE, "label": list("0101")},
            "classification",
            (),
            Told(),
            (("premise", "hypothesis"), "label"),
        ),
        (
            {"sentence1": PROSE, "sentence2": PROSE, "score": ["1.0", "2.5"] * 2},
            "regression",
            (),
            Told(),
            (("sentence1", "sentence2"), "score"),
        ),
        (
            {"tokens": [["a"]], "ner_tags": [["O"]], "id": ["1"]},
            "token_classification",
            (),
            Told(),
            (("tokens",), "ner_tags"),
        ),
        (
            {"question": PROSE, "context": PROSE, "answers": [{}] * 4},
            "question_answering",
            (),
            Told(),
            (("question", "context"), "answers"),
        ),
        ({"a": PROSE, "b": PROSE, "c": list("0101")}, "classification", (), Told(("a", "b"), "c"), (("a", "b"), "c")),
        ({"x": PROSE, "stars": list("1212"), "user": list("wxyz")}, "classification", (), Told(), (("x",), "stars")),
    ],
)
def test_columns_are_seen(columns, kind, names, told, expected):
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    found = columns_of(Peeked(rows), kind_of(kind), told, names, "data x.csv")
    assert (found.texts, found.label) == expected


@pytest.mark.parametrize(
    ("columns", "told", "said"),
    [
        (
            {"a": PROSE, "b": PROSE, "c": list("0101")},
            Told(),
            "which column is the label? It has a, b, c: say so by --label",
        ),
        ({"a": PROSE, "b": PROSE, "label": list("0101")}, Told(), "which column is the text?"),
        ({"label": list("0101"), "class": list("0101"), "text": PROSE}, Told(), "--label COLUMN"),
        ({"text": PROSE, "label": list("0101")}, Told(("txt",)), "no column 'txt'; the columns are text, label"),
    ],
)
def test_columns_that_cannot_be_seen_are_asked_for(columns, told, said):
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    with pytest.raises(DataError, match=said.replace("?", r"\?")):
        columns_of(Peeked(rows), kind_of("classification"), told, (), "data x.csv")


def test_the_first_rows_of_files(tmp_path):
    (tmp_path / "a.csv").write_text('text;label\n"a; b";1\n', encoding="utf-8-sig")
    found = peek(tmp_path / "a.csv")
    assert (found.columns, dict(found.settings), found.rows[0]["text"]) == (["text", "label"], {"sep": ";"}, "a; b")
    (tmp_path / "a.tsv").write_text('text\tlabel\nthe "x\t1\n')
    assert peek(tmp_path / "a.tsv").rows[0]["text"] == 'the "x'
    (tmp_path / "a.json").write_text('[{"text": "a", "label": 1}]')
    assert peek(tmp_path / "a.json").columns == ["text", "label"]
    (tmp_path / "s.json").write_text('{"data": [{"paragraphs": [{"qas": []}]}]}')
    assert peek(tmp_path / "s.json").kind == "question_answering"
    for name, text, said in (
        ("b.jsonl", "{", "no .jsonl file"),
        ("c.csv", "a,b\n", "no rows"),
        ("d.xls", "x", "axkit reads"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=said):
            peek(tmp_path / name)
    with pytest.raises(DataError, match="does not exist"):
        peek(tmp_path / "gone.csv")


def test_the_kind_is_that_of_the_head(brought):
    def kind(**changes):
        path = brought / "model" / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return look("model", "all.jsonl", Asked())

    found = kind()
    assert (found.kind, found.has_head, found.task["text"], found.task["label"]) == (
        "classification",
        True,
        "sentence",
        "label",
    )
    assert found.task["max_length"] == 32
    assert kind(problem_type="multi_label_classification").kind == "multi_label"
    tiny_model(family_of("distilbert"), num_labels=1).save_pretrained("model")
    assert kind(problem_type=None).kind == "regression"
    write_base_model(brought / "base")
    assert not look("base", "all.jsonl", Asked()).has_head
    with pytest.raises(RecipeError, match="--kind names no kind"):
        look("model", "all.jsonl", Asked(kind="classify"))


@pytest.mark.parametrize(
    "value",
    ["yes", "a: b", "1", "", "../a b/c.csv", "é", '"', "x\ny", 1e-4, 2.0, 3, None, True, ["a", "1"], {"a": 0.2}],
)
def test_written_values_are_read_back(value):
    found, _ = parse(f"a: {scalar(value)}", "x")
    assert found == {"a": value}


LOOKED = Looked(
    "model",
    None,
    "classification",
    True,
    {"kind": "classification", "files": "all.jsonl", "split": {"test": 0.2}, "text": "sentence", "label": "label"},
)


def test_every_rung_is_a_recipe_that_plans_with_a_word_on_each_pass(brought):
    goals = (Goal(speedup=3), Goal(size=6, labels="use", max_drop=0.5), Goal(speedup=3, where="torch-packed"))
    for goal in (*goals, Goal(speedup=3, max_drop=40)):
        rungs = Rungs(goal, LOOKED)
        for rung in (
            rungs.stored("int8"),
            rungs.stored("bf16"),
            rungs.mended(2.0, None, "int8"),
            rungs.trained(2.5, 1.5, None, 2.0),
        ):
            text = Draft("x", LOOKED, goal, rung.passes).text(brought)
            made = plan(read_source(text, "x.yaml", (), brought))
            assert [step.name for step in made.steps] == [one.name for one in rung.passes]
            assert made.baseline == 0, "the model as it came is the measure"
            for step in made.steps:
                line = text.splitlines().index(f"  - pass: {step.name}")
                assert text.splitlines()[line - 1].startswith("  # ")
                if isinstance(step.config, AxformerPruneConfig):
                    assert step.config.mends
    assert (
        Rungs(Goal(), Looked("m", None, "classification", False, "glue/sst2")).stored("int8").passes[0].name
        == "finetune"
    )


class Machine:
    """A ladder's world: what a recipe comes to, by rule; a clock that each attempt moves on."""

    def __init__(self, reach=9.0, price=0.3, learns=1.0, seconds=60.0):
        self.reach, self.price, self.learns, self.seconds, self.now = reach, price, learns, seconds, 0.0

    def attempt(self, rung):
        self.now += self.seconds
        cuts = {
            key: value for one in rung.passes if one.name == "axformer_prune" for key, value in one.settings.items()
        }
        cut = min(cuts.get("speedup", 1.0), self.reach)
        bits = {"int8": (1.6, 3.9), "bf16": (2.0, 2.0), None: (1.0, 1.0)}[rung.bits]
        drop = self.price * (cut - 1) ** 2 - (self.learns if rung.trains else 0.0)
        return Tried(
            rung,
            90 - drop,
            max(0.0, drop),
            cut * bits[0] * 0.98,
            cuts.get("size", 1.0) * bits[1],
            self.seconds,
            (),
            {"int8": 1.6, "bf16": 2.0},
        )

    def ladder(self, goal, bits=("int8",), rows=1000):
        clock = Clock(goal.minutes, rows, 500.0, lambda: self.now)
        return Ladder(Rungs(goal, LOOKED), self.attempt, clock, bits)


def test_cuts_that_were_taken_back_are_tried_nearer():
    machine = Machine(price=1.0)
    inner = machine.attempt

    def budgeted(rung):
        found = inner(rung)
        if found.drop <= 3 or rung.trains:
            return found
        cut = found.speedup / 1.568
        return replace(found, drop=0.0, speedup=1.5, undone=(cut, found.drop))

    ladder = machine.ladder(Goal(speedup=5))
    ladder.attempt = budgeted
    ladder.climb()
    assert names(ladder)[:3] == ["int8", "mended to 3.38x, int8", "mended to 1.84x, int8"]
    assert ladder.tried[1].undone
    told = ideas(ladder.tried, ladder.rungs.goal, ladder.left_out)
    assert any("were taken back" in line for line in told) or ladder.tried[-1].meets(ladder.rungs.goal)


def names(ladder):
    return [one.name for one in ladder.tried]


def test_what_is_cheap_comes_first_and_is_enough():
    ladder = Machine().ladder(Goal(speedup=1.5))
    assert ladder.climb().name == "int8"
    assert names(ladder) == ["int8"]
    assert Machine().ladder(Goal(size=3.5)).climb().name == "int8"


def test_the_faster_precision_of_this_machine_is_taken():
    ladder = Machine().ladder(Goal(speedup=1.9), ("int8", "bf16"))
    assert ladder.climb().name == "bf16"
    ladder = Machine().ladder(Goal(size=3.5), ("int8", "bf16"))
    assert ladder.climb().name == "int8", "where size counts, the smaller one"


def test_cuts_give_what_the_bits_do_not():
    ladder = Machine().ladder(Goal(speedup=3))
    chosen = ladder.climb()
    assert names(ladder) == ["int8", "mended to 2.03x, int8"]
    assert chosen.speedup >= 3
    assert not chosen.rung.trains


def test_cuts_that_fall_short_are_tried_deeper():
    machine = Machine()
    inner = machine.attempt

    def slower(rung):
        found = inner(rung)
        return (
            found
            if found.name == "int8"
            else Tried(rung, found.score, found.drop, found.speedup * 0.9, found.size, 1.0)
        )

    ladder = machine.ladder(Goal(speedup=3))
    ladder.attempt = slower
    chosen = ladder.climb()
    assert len(ladder.tried) == 3
    assert chosen.speedup >= 3


def test_cuts_that_give_more_than_is_wanted_are_tried_once_nearer():
    machine = Machine(price=0.1)
    inner = machine.attempt

    def uneven(rung):
        found = inner(rung)
        cut = found.speedup / 1.568 if found.rung.passes[0].name == "axformer_prune" else 1.0
        return found if cut == 1 else replace(found, speedup=2.4 if cut < 2.1 else 3.6)

    ladder = machine.ladder(Goal(speedup=3))
    ladder.attempt = uneven
    chosen = ladder.climb()
    assert names(ladder)[:2] == ["int8", "mended to 2.03x, int8"]
    assert [one.speedup for one in ladder.tried[1:]] == [2.4, 3.6, 3.6]
    assert chosen is ladder.tried[-1], "it costs less, and has what is wanted"
    assert ladder.tried[-1].drop < ladder.tried[-2].drop


def test_training_comes_where_mending_costs_too_much_and_a_nearer_stop_is_kept():
    ladder = Machine(price=1.2).ladder(Goal(speedup=3))
    chosen = ladder.climb()
    assert chosen.rung.trains
    assert chosen.drop <= 1
    short = Machine(price=1.2).ladder(Goal(speedup=3, minutes=3.9))
    best = short.climb()
    assert not any(one.rung.trains for one in short.tried)
    assert best.holds(short.rungs.goal), "the best so far is kept"
    assert best.speedup > short.tried[0].speedup
    told = ideas(short.tried, short.rungs.goal, short.left_out)
    assert any("training behind the cuts was not begun" in line and "--minutes" in line for line in told)
    assert any("--max-drop 1.3 takes it" in line for line in told)


def test_without_a_target_it_goes_as_far_as_the_drop_allows():
    ladder = Machine(price=0.5).ladder(Goal())
    chosen = ladder.climb()
    assert chosen.drop <= 1
    assert chosen is max((one for one in ladder.tried if one.drop <= 1), key=lambda one: one.speedup)
    assert not any(one.rung.trains for one in ladder.tried)


def test_nothing_within_the_drop_is_no_choice():
    rung = Rungs(Goal(), LOOKED).stored("int8")
    assert choose([Tried(rung, 80, 5.0, 2, 4, 1)], Goal()) is None
    tried = [Tried(rung, 80, drop, speed, 4, 1) for drop, speed in ((0.1, 2), (0.5, 1.5), (0.9, 3))]
    assert [one.speedup for one in frontier(tried)] == [2, 3]


def test_wishes_that_cannot_be_meant():
    with pytest.raises(RecipeError) as caught:
        Goal(speedup=0.5, max_drop=-1, where="gpu", minutes=0, labels="some", batch=0).check()
    assert len(caught.value.faults) == 6
    assert "--speedup is 0.5; give a number above 1" in caught.value.faults[0]


def test_rows_at_a_time_are_said_and_written(brought):
    found = axkit.compress("model", "all.jsonl", batch=4, size=1.3, max_drop=50, name="few", dry=True)
    text = found.recipe.read_text()
    assert "target:\n  batch: 4 " in text
    assert "--batch 4" in text
    assert plan(load_source(found.recipe)).recipe.target.batch == 4


def test_for_a_gpu_as_many_rows_at_a_time_as_keep_it_busy(brought, monkeypatch):
    """Timed on the processor, as there may be no GPU: what is asked, and what is said of it."""
    first = plan(load_source(axkit.compress("model", "all.jsonl", max_drop=50, dry=True).recipe))
    told = Heard()
    seen = iter([Filled(512, 9000.0, 700.0, False), Filled(8, 200.0, 700.0, True)])
    monkeypatch.setattr("axkit.measure.fill.filled", lambda *_: next(seen))
    assert rows_at_a_time(first, None, told)[0].batch == 512
    assert "Timed with 512 rows at a time" in told.lines[-1]
    assert rows_at_a_time(first, 8, told)[1] == SERVED
    assert "with 8 rows at a time this GPU waits for its launches" in told.lines[-1]


@pytest.mark.parametrize(("half", "passes"), [("bfloat16", ("bf16", "fp16")), ("float16", ("fp16",))])
def test_a_gpu_is_given_the_16_bits_that_it_multiplies(half, passes, monkeypatch):
    monkeypatch.setattr("axkit.goal.gpu.Device.of", lambda _: SimpleNamespace(half=half))
    assert sixteen_bits() == passes


def test_outputs_in_another_order_than_the_labels_are_told():
    labels = SimpleNamespace(labels=np.array([0] * 60 + [1] * 40))
    plan = SimpleNamespace(rows=SimpleNamespace(splits={"search": labels}))
    for metric, points, told in (("accuracy", 13.0, True), ("accuracy", 55.0, False), ("f1", 13.0, False)):
        plan.task = SimpleNamespace(spec=SimpleNamespace(metric_name=metric))
        doubt = order_doubt(plan, points)
        assert (doubt is not None) == told
        assert not told or "right in 13.0 % of the search rows, and one label alone stands in 60.0 %" in doubt


def test_the_command_from_a_model_and_a_file_to_a_run_that_goes_again(brought, run):
    wanted = ("compress", "model", "all.jsonl", "--size", "1.3", "--max-drop", "50", "--name", "small")
    code, out, err = run(*wanted, "--dry")
    assert code == 0, err
    assert not (brought / "runs" / "small").exists()
    assert load_source("runs/small.yaml").recipe.model == "runs/../model".replace("runs/../", "")
    code, out, err = run(*wanted)
    assert code == 0, err
    assert "Met, on test rows that no decision used" in out
    assert "Trying int8; 30 minutes left" in err
    report = json.loads((brought / "runs" / "small" / "report.json").read_text())
    weights = (brought / "runs" / "small" / "model.safetensors").read_bytes()
    assert report["summary"]["rows"] == {"train": 130, "search": 30, "test": 40}
    code, _, err = run("apply", "runs/small.yaml", "--force")
    assert code == 0, err
    assert err.count("finished earlier, reused") == len(report["stages"])
    assert (brought / "runs" / "small" / "model.safetensors").read_bytes() == weights
    refused(run(*wanted), "exists already", "--force")
    code, out, err = run(*wanted, "--force", "--json")
    assert json.loads(out)["met"] is True


def test_from_python_with_a_model_in_memory_and_rows(brought):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained("model")
    rows = [json.loads(line) for line in (brought / "all.jsonl").read_text().splitlines()]
    told, reader = Heard(), AutoTokenizer.from_pretrained("model")
    found = axkit.compress(model, rows, tokenizer=reader, max_drop=50, minutes=0.001, progress=told)
    assert any(line.startswith("labels: the model's names") for line in told.lines)
    assert found.tried[0].name == "int8"
    assert not any("mended" in one.name for one in found.tried), "there was no time for it"
    assert found.left_out
    assert found.recipe.name == "model-rows.yaml"
    assert (found.folder / "report.json").is_file()
    with pytest.raises(RecipeError, match="needs its tokenizer"):
        axkit.compress(model, rows, name="none")
    with pytest.raises(DataError, match="no rows"):
        axkit.compress("model", [], name="none")


def test_for_pytorch_without_padding(brought):
    found = axkit.compress("model", "all.jsonl", where="torch-packed", max_drop=50, minutes=0.001, name="packed")
    assert [one.name for one in found.chosen.rung.passes] == ["int8", "export"]
    assert axkit.load_subject(found.folder).body.runtime == "torch-packed"
    assert found.tried[0].kinds_of_bits, "what int8 has timed is not lost behind the last stage"


def test_without_labels_the_models_own_answers_stand_for_them(brought):
    columns = Told(unlabelled=True)
    found = look("model", "all.jsonl", Asked(columns))
    assert (found.task["labels"], found.task["text"], "label" in found.task) == ("none", "sentence", False)
    goal = Goal(speedup=3, labels="none")
    rungs = Rungs(goal, found)
    for rung in (rungs.stored("int8"), rungs.mended(2.0, None, "int8"), rungs.trained(2.5, 1.5, None, 2.0)):
        made = plan(read_source(Draft("x", found, goal, rung.passes).text(brought), "x.yaml", (), brought))
        assert made.rows.splits["test"]
    write_base_model(brought / "base")
    with pytest.raises(RecipeError, match="no head whose answers"):
        look("base", "all.jsonl", Asked(columns))


TASKS = {
    "trec": ("SequenceClassification", {"id2label": {0: "DESC", 1: "NUM"}, "label2id": {"DESC": 0, "NUM": 1}}),
    "wnut": ("TokenClassification", {"id2label": {0: "O", 1: "B-person"}, "label2id": {"O": 0, "B-person": 1}}),
    "stsb": ("SequenceClassification", {"num_labels": 1}),
}


def rows_of_task(name, count):
    words = "how far is it from here to there and what was that".split()
    for index in range(count):
        some = [words[(index * 7 + at * 3) % len(words)] for at in range(4)] + [str(index)]
        if name == "trec":
            yield {"question": " ".join(some), "type": "num" if index % 2 else "desc", "lang": "en"}
        elif name == "wnut":
            yield {"tokens": some, "ner_tags": ["B-person" if index % 3 == 0 else "O"] + ["O"] * 4}
        else:
            yield {"sentence1": " ".join(some), "sentence2": " ".join(some[::-1]), "score": f"{index % 6}.{index % 10}"}


@pytest.mark.parametrize("name", TASKS)
def test_other_kinds_of_task_need_no_word_either(brought, name):
    head, settings = TASKS[name]
    tiny_model(family_of("bert"), head=head, **settings).save_pretrained("other")
    tiny_tokenizer().save_pretrained("other")
    text = "".join(json.dumps(row) + "\n" for row in rows_of_task(name, 80))
    (brought / "rows.jsonl").write_text(text)
    found = axkit.compress("other", "rows.jsonl", size=1.2, max_drop=100)
    kinds = {"trec": "classification", "wnut": "token_classification", "stsb": "regression"}
    assert found.report.summary.rows.used.total == 80
    assert load_source(found.recipe).recipe.task["kind"] == kinds[name]
    assert found.report.summary.bytes.ratio >= 1.2
    assert found.met != bool(found.report.summary.quality.result.answers_only), "one answer to all rows meets no goal"


@pytest.mark.parametrize(
    ("name", "kind"), [("trec", "classification"), ("wnut", "token_classification"), ("stsb", "regression")]
)
def test_a_model_without_a_head_is_for_what_the_labels_are(brought, name, kind):
    (brought / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of_task(name, 80)))
    write_base_model(brought / "base")
    columns = Told(("question",), "type") if name == "trec" else Told()
    found = look("base", "rows.jsonl", Asked(columns))
    assert (found.kind, found.has_head) == (kind, False)


RECIPE = """\
axkit: 1
name: learns-first
model: model
task: {kind: classification, files: all.jsonl, split: {test: 0.3}, text: sentence, label: label}
passes:
"""


def test_a_ready_model_that_is_trained_first_is_told_as_it_came(brought):
    from axkit.finished.score import evaluate
    from axkit.ground.fields import Fields
    from axkit.run.summary import Summary
    from axkit.run.verdict import sentences

    source = read_source(RECIPE + "  - {pass: finetune, epochs: 6, learning_rate: 3e-3}\n  - {pass: int8}\n", "r.yaml")
    run = axkit.apply(source)
    came = run.summary.came
    assert came.score == evaluate("model", source.recipe.task).score
    assert came.score != run.summary.quality.dense.points, "premise: the training changed answers"
    assert came.result_above.change == run.summary.quality.result.points - came.score
    assert Summary.from_json(Fields(run.summary.to_json())).came == came
    (told,) = [line for line in sentences(run.summary) if line.startswith("As it came")]
    assert f"the model scores {came.score:.2f}" in told
    assert axkit.apply(read_source(RECIPE + "  - {pass: int8}\n", "r.yaml")).summary.came is None


def test_rows_that_promised_too_much_are_told():
    from types import SimpleNamespace as Made

    from axkit.goal.said import _more_rows

    chosen = Tried(Rungs(Goal(), LOOKED).stored("int8"), 90, 0.2, 2, 4, 1)
    rows = Made(used=Made(search=44))

    def told(moved, goal):
        report = Made(summary=Made(quality=Made(moved=moved), rows=rows))
        return _more_rows(Made(report=report, chosen=chosen, goal=goal))

    assert told(-5.0, Goal(max_drop=3)) == ["more rows: 44 of them decided, and a drop of 3 takes some 214 to be told"]
    assert told(-1.0, Goal(max_drop=3)) == []
