"""How long rows are: by a tokenizer that cuts and pads nothing, whatever its file says."""

from tokenizers import Tokenizer

from axkit.run.token_counts import mean_tokens, whole_rows
from axkit.testing import tiny_tokenizer


def test_stored_padding_and_truncation_are_left_aside(tmp_path):
    tiny_tokenizer().save_pretrained(tmp_path)
    made = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    made.enable_padding(length=128)
    made.enable_truncation(3)
    made.save(str(tmp_path / "tokenizer.json"))
    texts = ["a", "the film is very good"]
    assert [len(one.ids) for one in whole_rows(tmp_path).encode_batch(texts)] == [3, 7]
    assert mean_tokens(tmp_path, [(text,) for text in texts], limit=60) == 5


def test_none_where_there_is_no_tokenizer_to_be_asked(tmp_path):
    assert whole_rows(tmp_path) is None
    (tmp_path / "tokenizer.json").write_text("{")
    assert whole_rows(tmp_path) is None
