"""CoNLL as it is published: tabs or white space, comments, spaces of all kinds within words."""

from __future__ import annotations

import pytest

from axkit.ground.errors import DataError
from axkit.tasks.source.readers import read_file
from axkit.tasks.source.table import Table
from axkit.tasks.spec import TaskSpec


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def read(tmp_path):
    def go(content, **fields):
        path = tmp_path / "x.conll"
        path.write_bytes(content.encode())
        spec = {"kind": "token_classification", "text": "words", "label": "tags"} | fields
        return [tuple(row.values()) for row in Table([read_file("train", str(path), TaskSpec(**spec))])]

    return go


CONLL = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER
"""


def test_columns_are_called_by_place_or_by_the_header(read):
    assert read(CONLL) == [(["EU", "rejects"], ["B-ORG", "O"]), (["Peter", "Blackburn"], ["B-PER", "I-PER"])]
    assert read(CONLL, label="1")[0] == (["EU", "rejects"], ["NNP", "VBZ"])
    assert read(CONLL, text="w", label="ner", header=["w", "pos", "chunk", "ner"]) == read(CONLL)
    assert read("w tag\nEU B-ORG\n", text="w", label="tag", header=True) == [(["EU"], ["B-ORG"])]
    with pytest.raises(DataError, match=r"line 3: 4 columns where 2 are wanted; mend the line, or the task's 'header'"):
        read(CONLL, text="w", label="ner", header=["w", "ner"])
    with pytest.raises(DataError, match=r"no column 'ner'; the columns are words, 1, 2, tags; .*'header'"):
        read(CONLL, label="ner")
    with pytest.raises(DataError, match="line 2: 1 columns where 2 are wanted"):
        read("one O\ntwo\n")


@pytest.mark.parametrize("word", ["10\u00a0000", "New York", "a\u2028b", "a\x85b", "a\x0cb", "\u00a0", "#", "#tag"])
def test_tabs_part_the_columns_where_there_are_any(read, word):
    assert read(f"EU\tNNP\tB-ORG\n{word}\tNN\tO\n") == [(["EU", word], ["B-ORG", "O"])]


def test_white_space_parts_them_else_and_the_setting_says_otherwise(read):
    assert read("10\u00a0000   CD \t O\n", sep=" ") == [(["10\u00a0000"], ["O"])]
    assert read("10\u00a0000   CD  O\n") == [(["10\u00a0000"], ["O"])]
    assert read("New York\tO\n", sep="\\t") == [(["New York"], ["O"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_blank_lines_with_spaces(read, end):
    text = end.join(["\ufeffEU\tO", "won\tO", "  ", "Ada\tB-PER", "\t", "so\tO"])
    assert read(text) == [(["EU", "won"], ["O", "O"]), (["Ada"], ["B-PER"]), (["so"], ["O"])]


@pytest.mark.parametrize("sep", ["\t", " "])
def test_comments_are_passed_over(read, sep):
    text = "# id = 7\n#begin document (a)\nEU NN B-ORG\nwon NN O\n#1 NN O\n# NN O\n#end document\n# text = EU is\n\n"
    assert read(text.replace(" NN ", f"{sep}NN{sep}")) == [(["EU", "won", "#1", "#"], ["B-ORG", "O", "O", "O"])]


def test_a_comment_that_may_be_a_word_is_refused(read):
    with pytest.raises(DataError, match=r"line 1: it may be a comment, or the word # with the tag seven; take it"):
        read("# id seven\nEU NN B-ORG\n")


def test_an_empty_field_is_refused_where_it_is_read(read):
    with pytest.raises(DataError, match=r"x\.conll, line 2, column 'words': it is empty; fill it in"):
        read("EU\tNN\tO\n\tNN\tO\n")
    assert read("EU\t\tO\n") == [(["EU"], ["O"])], "nobody asked for the one in the middle"
