"""What a run tells is read by attributes: outside the records themselves nobody spells a key of theirs."""

from __future__ import annotations

import ast
from pathlib import Path

import axkit

ROOT = Path(axkit.__file__).parent
ROOMS = ("run", "report", "sweep", "cli", "finished", "axformer")
RECORDS = {"run/records.py": "the rows of a pass's table, which become points there"}
NO_RECORDS = {
    "splits": "train, search and test",
    "rows": "likewise",
    "readings.by": "likewise",
    "timed": "models, by the names that the caller of measure.speed gave",
    "speeds": "likewise",
    "opened": "likewise",
    "config": "a model's config.json",
    "model_config": "likewise",
    "loads": "files of a model from elsewhere",
    "schema": "a JSON schema, by pydantic",
    "limits": "sentences of a family's file, by what it cannot lose",
    "field": "likewise",
    "part": "likewise",
    "fault": "an error, by pydantic",
    "errors": "likewise",
    "node": "what Ray says of a machine",
    "Resources": "likewise",
    "inputs": "tensors, as a model takes them",
    "own": "parameters of a module",
    "seen": "activations by role",
    "axformer/found": "arrays, by the names in their file or by role",
    "axformer/one": "likewise",
    "axformer/about": "the metadata of a file of its own, written beside",
    "run/tree": "a recipe as YAML has it, before it is checked",
    "run/task": "likewise",
    "report/task": "likewise",
    "finished/tensor": "the header of a safetensors file",
    "finished/one": "likewise",
    "file.metadata() or {}": "the header of a safetensors file, its own part",
    "finished/reader": "tensors, as a model takes them",
    "finished/said": "a part of a model's config.json",
    "cli/found": "what predict says, by its kind of task",
}
"""Mappings whose keys are no record's: by the last name before the bracket, in one room alone where it says so."""
TYPES = {"Literal", "AbstractContextManager"}


def reads(source):
    """(line, last name of the mapping, key) of each read of one by a key that is spelled out."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                yield node.lineno, named(value), key
            case ast.Call(func=ast.Attribute(value=value, attr="get" | "pop"), args=[ast.Constant(value=str(key)), *_]):
                yield node.lineno, named(value), key


def named(node):
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_")
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr="by")):
            return f"{owner}.by"
        case ast.Call(func=inner):
            return named(inner)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case ast.Subscript(value=inner):
            return named(inner)
    return ast.unparse(node)


def in_room(place, name):
    return f"{place.partition('/')[0]}/{name}"


def found():
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            of_file = reads(path.read_text(encoding="utf-8"))
            yield from ((place, *one) for one in of_file if one[1] not in TYPES)


def test_no_record_is_read_by_a_key():
    wrong = [
        f'axkit/{place}:{line} reads {name}["{key}"]: give it a type with from_json'
        for place, line, name, key in found()
        if place not in RECORDS and not {name, in_room(place, name)} & NO_RECORDS.keys()
    ]
    assert not wrong, "\n".join(wrong)


def test_the_list_of_exceptions_holds_nothing_that_is_gone():
    every = list(found())
    gone = NO_RECORDS.keys() - {one for place, _, name, _ in every for one in (name, in_room(place, name))}
    assert not gone, f"nobody reads these any more, so take them out of NO_RECORDS: {', '.join(sorted(gone))}"
    assert RECORDS.keys() <= {place for place, *_ in every}


def test_it_sees_what_it_looks_for():
    text = 'a = record["x"]\nb = self.summary["y"]\nc = stage.figures.get("z", 1)\nd["w"] = 1\ne = entries[-1]["v"]\n'
    assert list(reads(text)) == [(1, "record", "x"), (2, "summary", "y"), (3, "figures", "z"), (5, "entries", "v")]
    chain = 'json.loads(text)["summary"]["dense"]'
    assert sorted(reads(chain)) == [(1, "loads", "summary"), (1, "summary", "dense")]
