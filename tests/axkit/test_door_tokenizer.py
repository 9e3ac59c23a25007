"""A checkpoint's tokenizer against its model, and a teacher's against its student."""

from __future__ import annotations

import pytest
import torch
from door import KIND, both_refuse, write_bert

from axkit.anatomy.family import family_of
from axkit.checkpoint.sources import check_reader, check_teacher
from axkit.ground.errors import CheckpointError, RecipeError
from axkit.run.planning import plan
from axkit.run.recipe import read_source
from axkit.runtimes.folder import load_subject, save
from axkit.runtimes.limits import token_limit
from axkit.runtimes.torch.opening import open_reader, open_subject
from axkit.testing import tiny_model, tiny_subject, tiny_tokenizer


@pytest.fixture
def folder(tmp_path):
    return write_bert(tmp_path / "model")


class TestTokenizer:
    """Against its model's vocabulary, positions and token types."""

    def test_ids_beyond_the_embedding(self, folder):
        tokenizer = tiny_tokenizer()
        tokenizer.add_tokens([f"<{n}>" for n in range(60)])
        tokenizer.save_pretrained(folder)
        known = len(tokenizer)
        with pytest.raises(CheckpointError, match=f"knows {known} ids, the model has 64 rows"):
            check_reader(folder)  # from the files alone
        both_refuse(folder, f"knows {known} ids, the model has 64 rows")

    def test_ids_that_only_its_library_knows(self, folder):
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(70))]
        (folder / "vocab.txt").write_text("\n".join(words))
        both_refuse(folder, "knows 75 ids, the model has 64 rows")
        (folder / "vocab.txt").write_text("\n".join(words[:60]))
        assert len(open_reader(folder, family_of("bert"))) == 60

    def test_no_more_tokens_than_positions(self, folder):
        family, reader = family_of("bert"), tiny_tokenizer()
        config = load_subject(folder).module.config
        for said, wanted in ((60, 60), (64, 64), (512, 64), (10**30, 64)):
            reader.model_max_length = said
            assert token_limit(reader, config, family) == wanted
        reader.model_max_length = 3
        with pytest.raises(CheckpointError, match="leave none for a pair"):
            token_limit(reader, config, family)

    @pytest.mark.parametrize("name", ["roberta", "camembert", "xlm-roberta"])
    def test_positions_that_a_family_keeps_for_itself(self, name):
        family, reader = family_of(name), tiny_tokenizer()
        module = tiny_model(family, pad_token_id=0)
        reader.model_max_length = 64
        limit = token_limit(reader, module.config, family)
        assert limit == 63
        row = torch.full((1, limit), 5)
        assert module(input_ids=row, attention_mask=torch.ones_like(row)).logits.shape == (1, 2)
        with pytest.raises((IndexError, RuntimeError)):  # the premise: one more has no row
            module(input_ids=torch.full((1, 64), 5), attention_mask=torch.ones(1, 64))

    def test_relative_positions_have_no_table(self):
        family, reader = family_of("deberta-v2"), tiny_tokenizer()
        reader.model_max_length = 100
        assert token_limit(reader, tiny_model(family, position_biased_input=False).config, family) == 100
        assert token_limit(reader, tiny_model(family).config, family) == 64

    def test_padding_from_which_positions_are_counted(self, tmp_path):
        save(tiny_subject(family_of("roberta"), pad_token_id=1), tiny_tokenizer(), tmp_path)
        with pytest.raises(CheckpointError, match="pads with 0, the model's config says 1"):
            open_reader(tmp_path, family_of("roberta"))

    @pytest.mark.parametrize(("types", "given"), [(2, [0, 1]), (1, None), (0, None)])
    def test_token_types(self, tmp_path, types, given):
        from transformers import BertTokenizerFast

        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "film"]
        (tmp_path / "vocab.txt").write_text("\n".join(words))
        name = "deberta-v2" if types == 0 else "bert"
        tokenizer = BertTokenizerFast.from_pretrained(tmp_path)
        save(tiny_subject(family_of(name), type_vocab_size=types), tokenizer, tmp_path)
        reader = open_reader(tmp_path, family_of(name))
        made = reader("good", "film")
        assert made.get("token_type_ids") == (None if given is None else [0, 0, 0, 1, 1])
        inputs = reader("good", "film", return_tensors="pt")
        assert load_subject(tmp_path).module(**inputs).logits.shape == (1, 2)

    def test_inputs_that_a_model_does_not_take_are_dropped(self, tmp_path):
        tokenizer = tiny_tokenizer()
        tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
        save(tiny_subject(family_of("distilbert")), tokenizer, tmp_path)
        reader = open_reader(tmp_path, family_of("distilbert"))
        assert reader.model_input_names == ["input_ids", "attention_mask"]
        assert load_subject(tmp_path).module(**reader("good", return_tensors="pt")).logits.shape == (1, 2)

    @pytest.mark.parametrize(
        ("name", "text", "match"),
        [
            ("tokenizer.json", "{}", "holds no tokenizer that loads"),
            ("tokenizer.json", "[]", "not a JSON object"),
            ("tokenizer.json", '{"model": {"vocab": {"a": -1}}}', "holds no tokenizer that loads"),
            ("tokenizer.json", '{"model": {"type": "BPE", "vocab": {"a": 0}}}', "tokenizer"),
            ("tokenizer_config.json", "[]", "not a JSON object"),
            ("tokenizer_config.json", '{"model_max_length": "512"}', "model_max_length is '512'"),
            ("tokenizer_config.json", '{"model_input_names": []}', "model_input_names"),
            ("tokenizer_config.json", '{"padding_side": "up"}', "padding_side"),
            ("special_tokens_map.json", "5", "not a JSON object"),
            ("added_tokens.json", '{"a": "b"}', "piece -> id"),
        ],
    )
    def test_files_that_make_none(self, folder, name, text, match):
        (folder / name).write_text(text)
        both_refuse(folder, match)

    @pytest.mark.parametrize("name", ["spm.model", "sentencepiece.bpe.model", "spiece.model"])
    def test_sentencepiece_alone_names_its_packages(self, folder, name, monkeypatch):
        monkeypatch.setattr("axkit.checkpoint.tokenizer.find_spec", lambda _: None)
        (folder / name).write_bytes(b"pieces")
        assert open_reader(folder, family_of("bert"))  # tokenizer.json needs no package
        (folder / "tokenizer.json").unlink()
        both_refuse(folder, "needs sentencepiece and protobuf; install them")


class TestTeacher:
    """Against its student."""

    def test_other_pieces_are_seen_in_the_files(self, folder, tmp_path):
        teacher = tmp_path / "teacher"
        tokenizer = tiny_tokenizer()
        tokenizer.add_tokens(["<new>"])
        teacher.mkdir()
        save(tiny_subject(family_of("bert")), tokenizer, teacher)
        with pytest.raises(CheckpointError, match="other pieces"):
            check_teacher(folder, str(teacher))
        tiny_tokenizer().save_pretrained(teacher)
        (teacher / "axkit.json").unlink()
        check_teacher(folder, str(teacher))

    def test_fewer_positions(self, tmp_path):
        save(tiny_subject(family_of("bert"), max_position_embeddings=20), tiny_tokenizer(), tmp_path)
        assert open_subject(str(tmp_path), tiny_tokenizer(), KIND, longest=20)
        with pytest.raises(CheckpointError, match="takes 20 tokens at most, and the longest row has 21"):
            open_subject(str(tmp_path), tiny_tokenizer(), KIND, longest=21)

    def test_the_plan_sees_both_before_any_work(self, workplace):
        recipe = (workplace / "recipe.yaml").read_text()
        recipe = recipe[: recipe.index("passes:")] + "passes:\n  - {pass: distill, teacher: ./teacher}\n"
        (workplace / "teacher").mkdir()
        save(tiny_subject(family_of("distilbert")), tiny_tokenizer(), workplace / "teacher")
        assert plan(read_source(recipe, "recipe")).steps
        larger = tiny_tokenizer()
        larger.add_tokens(["<new>"])
        larger.save_pretrained(workplace / "teacher")
        with pytest.raises(RecipeError, match=r"'distill': model './teacher' splits text into other pieces"):
            plan(read_source(recipe, "recipe"))
        larger.add_tokens([f"<{n}>" for n in range(60)])
        larger.save_pretrained(workplace / "model")
        with pytest.raises(CheckpointError, match="ids, the model has 64 rows"):
            plan(read_source(recipe, "recipe"))
