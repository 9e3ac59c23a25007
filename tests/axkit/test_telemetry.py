"""Nothing reaches for the network where everything is local; what the user names on the hub still does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import write_images

# Every look-up of a name and every connection of the process, seen and refused. Local ends (of processes) are none.
WATCHED = """\
import json, sys
EVENTS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.connect", "socket.sendto")
seen = []
def watch(event, args):
    if event in EVENTS and not (event == "socket.connect" and isinstance(args[1], (str, bytes))):
        seen.append([event, str(args[1] if event == "socket.connect" else args[0])])
        raise OSError("no network here")
sys.addaudithook(watch)
from axkit.cli.app import main
told = {}
for command in json.loads(sys.argv[1]):
    seen.clear()
    sys.argv = ["axkit", *command]
    try:
        main()
        code = 0
    except SystemExit as done:
        code = done.code or 0
    told[" ".join(command)] = [code, list(seen)]
print(json.dumps(told))
"""


def python(code, folder, *arguments, **environment):
    """Run it as a user's process would be: nothing set."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_", "RAY_"))}
    kept |= {"HOME": str(folder), "HF_HOME": str(folder / "hf"), **environment}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=kept, check=False)
    assert done.returncode == 0, done.stderr
    return done


def watched(folder, *commands):
    """What each command reached for: command -> [exit code, events]."""
    return json.loads(python(WATCHED, folder, json.dumps(commands)).stdout.splitlines()[-1])


@pytest.fixture
def formats(workplace):
    """The rows of train.jsonl and test.jsonl in the other formats: suffix -> a --set value."""
    import pandas

    for split in ("train", "test"):
        rows = pandas.read_json(workplace / f"{split}.jsonl", lines=True)
        rows.to_csv(workplace / f"{split}.csv", index=False)
        rows.to_csv(workplace / f"{split}.tsv", index=False, sep="\t")
        rows.to_parquet(workplace / f"{split}.parquet")
        sentences = (f"good\tB-PER\nfilm{index}\tO\n\n" for index in range(60))
        (workplace / f"{split}.conll").write_text("".join(sentences))
    names = ("csv", "tsv", "parquet")
    found = {name: f"task.files={{train: train.{name}, test: test.{name}}}" for name in names}
    words = "kind: token_classification, files: {train: train.conll, test: test.conll}, header: [word, tag]"
    return {**found, "conll": f"task={{{words}, text: word, label: tag}}"}


def test_everything_local_asks_nobody(workplace, formats):
    short = ("--set", "passes=[{pass: finetune, epochs: 1}, {pass: int8}]")
    commands = [["apply", "recipe.yaml", *short]]
    commands += [["plan", "recipe.yaml"], *(["plan", "recipe.yaml", "--set", one] for one in formats.values())]
    commands += [["eval", "runs/tiny"], ["predict", "runs/tiny", "a good film"], ["bench", "runs/tiny", "--no-memory"]]
    commands += [["passes"], ["tasks"], ["models"], ["families"]]
    told = watched(workplace, *commands)
    assert {command: events for command, (_, events) in told.items() if events} == {}
    assert {command: code for command, (code, _) in told.items() if code} == {}
    assert len(told) == len(commands)


def test_images_ask_nobody(workplace):
    write_images(workplace / "pictures", 40)
    task = "task={kind: image_classification, files: {train: pictures, test: pictures}, image: image, label: label}"
    told = watched(
        workplace,
        ["plan", "recipe.yaml", "--model", "embedded:vit-small", "--set", "passes=[{pass: finetune}]", "--set", task],
    )
    assert [events for _, events in told.values()] == [[]]


def test_the_hub_is_still_asked_for_what_is_there_alone(workplace):
    ((code, events),) = watched(workplace, ["plan", "recipe.yaml", "--model", "some/model"]).values()
    assert code == 2, "there is no network"
    assert any("huggingface.co" in where for _, where in events), events


@pytest.mark.parametrize(("chosen", "asks"), [({}, False), ({"HF_UPDATE_DOWNLOAD_COUNTS": "1"}, True)])
def test_datasets_counts_where_the_user_wants_it(workplace, chosen, asks):
    code = WATCHED.partition("from axkit.cli.app")[0] + (
        "import axkit, datasets\n"
        "assert len(datasets.load_dataset('json', data_files='train.jsonl', split='train')) == 160\n"
        "print(json.dumps(seen))"
    )
    done = python(code, workplace, **chosen)
    assert bool(json.loads(done.stdout.splitlines()[-1])) == asks


@pytest.mark.parametrize(
    ("chosen", "expected"), [({}, "False True"), ({"HF_UPDATE_DOWNLOAD_COUNTS": "1"}, "True True")]
)
def test_packages_that_were_imported_before(tmp_path, chosen, expected):
    code = (
        "import datasets, huggingface_hub.constants as hub\n"
        "assert datasets.config.HF_UPDATE_DOWNLOAD_COUNTS and not hub.HF_HUB_DISABLE_TELEMETRY\n"
        "import axkit\n"
        "print(datasets.config.HF_UPDATE_DOWNLOAD_COUNTS, hub.HF_HUB_DISABLE_TELEMETRY)"
    )
    assert python(code, tmp_path, **chosen).stdout.strip() == expected
