"""What axkit itself wrote, damaged: manifest, structure, trail; headers to the byte; and folders of earlier builds."""

from __future__ import annotations

import hashlib
import json
import resource
import struct

import pytest
import torch
from door import WEIGHTS, both_refuse, write_bert

from axkit.anatomy.family import family_of
from axkit.anatomy.structure import Structure
from axkit.checkpoint.header import read_header
from axkit.ground.errors import CheckpointError
from axkit.runtimes.folder import load_subject, save
from axkit.runtimes.manifest import read_manifest
from axkit.tasks.about import About
from axkit.testing import logits_of, tiny_split, tiny_subject, tiny_tokenizer


@pytest.fixture
def pruned(tmp_path):
    """A carved DistilBERT."""
    subject = tiny_subject(family_of("distilbert"))
    subject.carve(subject.structure.without_ffn(0).without_heads(1, [2]).without_neurons(2, range(4)))
    made = tmp_path / "pruned"
    made.mkdir()
    save(subject, tiny_tokenizer(), made, About(label_names=("no", "yes")))
    return made


def rewrite(folder, name, make):
    """Change a JSON file, and make the manifest's hash of it right: what is wrong then is what was changed."""
    path, manifest = folder / name, folder / "axkit.json"
    path.write_text(json.dumps(make(json.loads(path.read_text()))))
    if name != "axkit.json":
        told = json.loads(manifest.read_text())
        told["sha256"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
        manifest.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("format", 2, "upgrade axkit"),
        ("format", True, "damaged"),
        ("format", None, "damaged"),
        ("about", [], "damaged"),
        ("about", {"token_lengths": [10**9]}, "token_lengths"),
        ("about", {"label_names": [1]}, "label_names"),
        ("about", {"samples": {"train": "x"}}, "samples"),
        ("about", {"samples": []}, "samples"),
        ("about", {"task": 5}, "task"),
        ("sha256", None, "damaged"),
        ("sha256", {"../model.safetensors": "0"}, "no file of this folder"),
        ("sha256", {"/etc/passwd": "0"}, "no file of this folder"),
        ("sha256", {"config.json": 5}, "no file of this folder"),
        ("sha256", {"nothing.json": "0"}, "lacks nothing.json"),
        ("sha256", {"config.json": "0"}, "not the file that axkit wrote"),
        ("structure", None, "structure is damaged"),
        ("structure", {}, "structure is damaged"),
        ("trail", {}, "damaged"),
        ("trail", [5], "trail is damaged"),
        ("trail", [{"name": "int8"}], "trail is damaged"),
    ],
)
def test_a_damaged_manifest(pruned, key, value, match):
    rewrite(pruned, "axkit.json", lambda told: told | {key: value})
    with pytest.raises(CheckpointError, match=match) as error:
        load_subject(pruned)
    assert "\n" not in str(error.value)
    assert "run the recipe again" not in str(error.value)


@pytest.mark.parametrize(
    "named",
    [
        {"AutoConfig": "evil.Evil"},
        {"AutoConfig": "modeling_axkit.Evil"},
        {"AutoConfig": "somebody/model--modeling_axkit.AxkitDistilBertConfig"},
        {"AutoConfig": ["modeling_axkit.AxkitDistilBertConfig"]},
        ["modeling_axkit.AxkitDistilBertConfig"],
    ],
)
def test_a_map_to_other_code_than_ours(pruned, named):
    rewrite(pruned, "config.json", lambda told: told | {"auto_map": named})
    both_refuse(pruned, "code of its own")


def test_the_modeling_file_is_not_run(pruned, tmp_path):
    mark = tmp_path / "ran"
    (pruned / "modeling_axkit.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    with pytest.raises(CheckpointError, match=r"modeling_axkit.py is not the file that axkit wrote"):
        load_subject(pruned)
    told = json.loads((pruned / "axkit.json").read_text())
    told["sha256"]["modeling_axkit.py"] = hashlib.sha256((pruned / "modeling_axkit.py").read_bytes()).hexdigest()
    (pruned / "axkit.json").write_text(json.dumps(told))
    load_subject(pruned)
    assert not mark.exists()


def test_a_manifest_and_a_config_that_say_different_things(pruned):
    def more(told):
        told["structure"]["layers"][1]["heads"] = "0-3"
        return told

    rewrite(pruned, "axkit.json", more)
    with pytest.raises(CheckpointError, match="say different things"):
        load_subject(pruned)


@pytest.mark.parametrize(
    "step",
    [
        {"name": "no_such_pass", "config": {}},
        {"name": "int8", "config": {"skip": 5}},
        {"name": "int8", "config": {"nothing": 1}},
        {"name": "int8", "config": {}, "state": {"x": 1}},
        {"name": "int4_vsq", "config": {}, "state": {}},
    ],
)
def test_a_trail_that_cannot_be_gone_again(pruned, step):
    whole = {"source": "axkit 0", "state": {}, "facts": {}} | step

    def put(told):
        told["axkit"]["trail"] = [whole]
        return told

    rewrite(pruned, "config.json", put)
    with pytest.raises(CheckpointError) as error:
        load_subject(pruned)
    assert "\n" not in str(error.value)


RANGES = ["0-99999999", "0-24", "3-1", "1,1", "5,3", "-5", "0--1", "a", "٣", " 1", "0-1-2", 5, None, ["0"]]


@pytest.mark.parametrize("text", RANGES)
def test_ranges_are_bound_before_they_are_counted_out(text):
    data = Structure.dense(3, 4, 24).to_json()
    data["layers"][1]["neurons"] = text
    with pytest.raises(CheckpointError, match="structure is damaged"):
        Structure.from_json(data)


@pytest.mark.parametrize(("n_heads", "ffn_width", "layers"), [(10**8, 24, 3), (4, 10**8, 3), (4, 2_000_000, 900)])
def test_a_structure_takes_no_memory_to_speak_of(n_heads, ffn_width, layers):
    data = Structure.dense(1, 4, 24).to_json() | {"n_heads": n_heads, "ffn_width": ffn_width}
    data["layers"] = data["layers"] * layers
    for layer in data["layers"]:
        layer["neurons"] = f"0-{ffn_width - 1}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="structure is damaged"):
        Structure.from_json(data)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 1 << 30


def test_folders_of_the_first_build_load(pruned):
    """Without ``present`` in a layer and without a structure in a step."""
    expected = logits_of(load_subject(pruned).module, tiny_split())

    def older(described):
        for layer in described["structure"]["layers"]:
            del layer["present"]
        for step in described["trail"]:
            step.pop("structure", None)
        return described

    rewrite(pruned, "config.json", lambda told: told | {"axkit": older(told["axkit"])})
    rewrite(pruned, "axkit.json", older)
    assert torch.equal(logits_of(load_subject(pruned).module, tiny_split()), expected)


def test_without_its_manifest_the_structure_is_that_of_its_config(pruned):
    expected = load_subject(pruned).structure
    (pruned / "axkit.json").unlink()
    assert read_manifest(pruned) is None
    assert load_subject(pruned).structure == expected


class TestHeader:
    """Of a safetensors file, against its bytes."""

    @staticmethod
    def write(path, header, data=b"\0" * 8, length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)

    def test_whole(self, tmp_path):
        header = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": {"format": "pt"}}
        self.write(tmp_path / "x", header)
        assert read_header(tmp_path / "x") == {"a": header["a"]}

    @pytest.mark.parametrize(
        "change",
        [
            {"dtype": "F33"},
            {"dtype": None},
            {"dtype": "F8_E4M3"},
            {"dtype": "F64"},
            {"shape": [3]},
            {"shape": [-2]},
            {"shape": [2.0]},
            {"shape": [True, 2]},
            {"shape": "2"},
            {"shape": [2**62, 4]},
            {"data_offsets": [0, 4]},
            {"data_offsets": [8, 0]},
            {"data_offsets": [4, 12]},
            {"data_offsets": [0]},
            {"data_offsets": None},
            {"more": 1},
        ],
    )
    def test_entries_that_do_not_fit_the_bytes(self, tmp_path, change):
        entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | change
        self.write(tmp_path / "x", {"a": entry})
        with pytest.raises(CheckpointError, match="x"):
            read_header(tmp_path / "x")

    @pytest.mark.parametrize(
        ("header", "length"),
        [
            (b"{}", 2**63),
            (b"{}", 3),
            (b"", 0),
            (b"[]", None),
            (b"{", None),
            (b'{"a": 5}', None),
            (b'{"__metadata__": 5}', None),
            (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": {}}', None),
            (b"[" * 5000 + b"]" * 5000, None),
            (b"\xff", None),
        ],
    )
    def test_headers_that_are_none(self, tmp_path, header, length):
        self.write(tmp_path / "x", header, length=length)
        with pytest.raises(CheckpointError, match="x"):
            read_header(tmp_path / "x")

    @pytest.mark.parametrize("offsets", [([0, 4], [0, 4]), ([0, 4], [2, 6]), ([0, 2], [4, 6])])
    def test_weights_that_overlap_or_leave_gaps(self, tmp_path, offsets):
        names = {
            name: {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}
            for name, (start, end) in zip("ab", offsets, strict=True)
        }
        self.write(tmp_path / "x", names)
        with pytest.raises(CheckpointError, match="overlap or leave gaps"):
            read_header(tmp_path / "x")

    def test_both_ways_say_it(self, tmp_path):
        folder = write_bert(tmp_path / "model")
        data = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(data + b"\0")
        both_refuse(folder, "truncated or damaged")
