"""YAML as axkit reads it: plain values with their lines, within bounds, and one sentence for everything else."""

from __future__ import annotations

import os

import pytest

from axkit.ground.errors import RecipeError
from axkit.ground.plain.files import read_file
from axkit.ground.plain.tree import DEEPEST, MOST_VALUES, parse


def read(text):
    return parse(text, "r.yaml")[0]


def refused(text):
    with pytest.raises(RecipeError) as caught:
        parse(text, "r.yaml")
    (sentence,) = caught.value.faults
    assert len(sentence.splitlines()) == 1
    return sentence


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *[(word, None) for word in ("", "~", "null", "Null", "NULL", "!!null ~")],
        *[("true", True), ("False", False), ("yes", "yes"), ("No", "No"), ("on", "on"), ("y", "y")],
        *[("0", 0), ("-1", -1), ("+1", 1), ("017", 17), ("0o17", 15), ("0x1F", 31), ("0b101", 5), ("1_000", 1000)],
        *[("1e-1", 0.1), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1E3", 1000.0), ("-2.5e+1", -25.0), ("1e-999", 0.0)],
        *[("190:20:30", "190:20:30"), ("2026-01-01", "2026-01-01"), ("=", "="), ("1.2.3", "1.2.3"), ("0o8", "0o8")],
        *[("'5'", "5"), ('"true"', "true"), ("! 5", "5"), ("!!str 5", "5"), ("!!int '5'", 5), ("!!float 1", 1.0)],
        *[('"\\ud83d\\ude00"', "\U0001f600"), ("nan", "nan"), ("inf", "inf"), ("[]", []), ("{}", {}), ("!!seq []", [])],
    ],
)
def test_words(word, value):
    found = read(f"a: {word}\n")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "tag", ["!!omap [a: 1]", "!!set {a}", "!!pairs [a: 1]", "!!binary aGk=", "!!timestamp 2026-01-01"]
)
def test_tags_of_yaml_that_are_no_plain_values(tag):
    assert refused(f"x: 1\na: {tag}") == f"r.yaml, line 2: the tag '{tag.split()[0]}' means nothing here; leave it off"


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.getcwd []", "!!python/name:os.system x", "!mine {a: 1}", "!x 1"]
)
def test_tags_that_ask_for_code_or_mean_nothing(tag):
    assert "line 2: the tag '!" in refused(f"x: 1\na: {tag}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: .nan", "line 1: '.nan' is no finite number"),
        ("a: -.INF", "is no finite number"),
        ("a: 1e999", "is no finite number"),
        ("a: " + "9" * 5000, "has over 100 characters"),
        ("a: 0x" + "f" * 5000, "has over 100 characters"),
        ("a: 0." + "3" * 5000, "has over 100 characters"),
        ("a: !!int x", "'x' is no '!!int'"),
        ("a: !!bool 1", "'1' is no '!!bool'"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice (first in line 1); keep one"),
        ("<<: {a: 1}\n<<: {b: 1}", "line 2: the key '<<' stands twice: write <<: [*a, *b]"),
        ("? [a, b]\n: 1", "line 1: a key is a word, no list or mapping"),
        ("? {a: 1}\n: 1", "line 1: a key is a word, no list or mapping"),
        ("!!int 1: 2", "line 1: a key is a word without a tag"),
        ("a: &x b\n*x : 1", "line 2: the key '*x' is an alias; write it out"),
        ("a: *x", "line 1: '*x' names nothing; write '&x' before it"),
        ("a: &x [*x]", "line 1: '*x' stands inside what it names"),
        ("a: &x {b: {c: *x}}", "line 1: '*x' stands inside what it names"),
        ("a: &x {<<: *x}", "line 1: '*x' stands inside what it names"),
        ("<<: 5", "line 1: '<<' takes a mapping"),
        ("<<: [{a: 1}, 5]", "line 1: '<<' takes a mapping"),
        ("a: 1\n---\nb: 2", "line 2: a second document starts"),
        ("a: 1\n\tb: 2", "line 2: found character '\\t'"),
        ("a: 1\n%x", "line 2"),
        ("a: [", "line 1: "),
        ("a: 1\nb: x\x07", "line 2: character U+0007 is no text"),
        ('a: "\\0"', "line 1: character U+0000 is no text"),
        ('a: "\\ud800"', "line 1: character U+D800 is no text"),
        ("a: \ud800", "line 1: character U+D800 is no text"),
        ("a: !" + "y" * 200_000, "line 1: no tag is that long"),
        ("a: &" + "y" * 2000 + " 1", "line 1: the anchor"),
        ("? " + "y" * 2000 + "\n: 1", "line 1: the key"),
        ("a: " + "[" * (DEEPEST + 1), f"line 1: it is nested over {DEEPEST} levels deep"),
        ("a: " + "[" * 100_000, f"line 1: it is nested over {DEEPEST} levels deep"),
        ("- " * 5000, f"line 1: it is nested over {DEEPEST} levels deep"),
        ("a: [" + "x, " * (2 * MOST_VALUES + 10) + "]", f"line 1: it holds over {MOST_VALUES:,} values"),
        ("x" * 300_000, "r.yaml holds over 256 KiB"),
        ("%YAML 3.0\n---\na: 1", "line 1: found incompatible YAML document"),
    ],
)
def test_one_sentence_with_the_line(text, expected):
    assert expected in refused(text)


def bomb(levels, line):
    return "\n".join(
        ["a0: &a0 [x, x, x, x]", *(line.replace("N", str(n)).replace("M", str(n - 1)) for n in range(1, levels))]
    )


@pytest.mark.parametrize("line", ["aN: &aN [*aM, *aM, *aM]", "aN: &aN {x: *aM, y: *aM}"])
def test_aliases_are_counted_as_written_out(line):
    assert "values, aliases written out; shorten it" in refused(bomb(60, line))
    assert read(bomb(5, line))["a4"], "a few are no bomb"


def test_depth_is_counted_as_written_out():
    assert "levels deep, aliases written out" in refused(bomb(DEEPEST + 1, "aN: &aN [*aM]"))


def test_merge_keys():
    tree, lines = parse(
        "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\none:\n  <<: *b\n  x: 9\ntwo: {<<: [*m, *b]}\n", "r"
    )
    assert tree["one"] == {"x": 9, "y": 2}
    assert tree["two"] == {"y": 3, "z": 4, "x": 1}, "the earlier one goes first"
    assert lines[("one", "x")] == 5
    assert lines[("one", "y")] == 1, "where it is written"
    assert read("'<<': 5") == {"<<": 5}


def test_what_aliases_name_is_not_shared():
    tree = read("a: &x {b: [1]}\nc: *x\n")
    tree["a"]["b"].append(2)
    assert tree["c"] == {"b": [1]}


def test_lines_of_keys_and_items():
    _, lines = parse("a:\n  - b: 1\n    c: 2\n  - d\n", "r")
    assert lines == {("a",): 1, ("a", 0): 2, ("a", 0, "b"): 2, ("a", 0, "c"): 3, ("a", 1): 4}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~"])
def test_nothing_is_none(text):
    assert read(text) is None


def test_keys_are_as_written():
    assert read("1: a\ntrue: b\n~: c\n1.50: d") == {"1": "a", "true": "b", "~": "c", "1.50": "d"}


def test_files(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_file(path, "recipe") == "a: 1"
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large").write_bytes(b"#" * 2_000_000)
    (tmp_path / "latin").write_bytes(b"# a\n# \xe9\n")
    (tmp_path / "wide").write_bytes("a: 1".encode("utf-16"))
    for name, why in {
        "fifo": "is a pipe, no file",
        ".": "is a folder, no file",
        "/dev/zero": "is a device, no file",
        "loop": "symbolic links",
        "nowhere": "no recipe at",
        "x" * 300: "File name too long",
        "a\0b": "null byte",
        "large": "holds over 256 KiB",
        "latin": ", line 2: byte 6 is no UTF-8 text",
        "wide": ", line 1: byte 0 is no UTF-8 text",
    }.items():
        with pytest.raises(RecipeError) as caught:
            read_file(tmp_path / name if name != "." else tmp_path, "recipe")
        (sentence,) = caught.value.faults
        assert why in sentence
    with pytest.raises(RecipeError, match="no recipe at an empty path"):
        read_file("", "recipe")
