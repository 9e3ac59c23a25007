"""What makes tokens of texts, and a model that is asked about them."""

import json
from pathlib import Path

import numpy as np
import tokenizers

from axkit_plugins.runtimes.predict.in_onnxruntime import opened

HERE = Path(__file__).resolve().parent
CONFIG, SAID, EXPORT = (
    json.loads((HERE / f"{name}.json").read_text("utf-8")) for name in ("config", "tokenizer_config", "export")
)
LENGTHS, SIDE = EXPORT["lengths"], SAID.get("truncation_side", "right")
TOKENIZER = tokenizers.Tokenizer.from_file(str(HERE / "tokenizer.json"))
TOKENIZER.enable_truncation(LENGTHS["max_length"], direction=SIDE)
TOKENIZER.enable_padding(pad_id=CONFIG.get("pad_token_id") or 0)
INPUTS, RUN = opened(HERE)


def outputs_of(row: tokenizers.Encoding) -> dict[str, np.ndarray]:
    """What the model says of one row; TOKENIZER.encode_batch makes many, padded alike."""
    columns = {"input_ids": row.ids, "attention_mask": row.attention_mask, "token_type_ids": row.type_ids}
    return {name: one[0] for name, one in RUN({name: np.array([columns[name]], np.int64) for name in INPUTS}).items()}
