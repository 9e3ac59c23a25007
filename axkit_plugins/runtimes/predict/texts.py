"""Ask the model in this folder: python predict.py TEXT [SECOND TEXT]"""

import json
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from axkit_plugins.runtimes.predict.in_onnxruntime import opened
from axkit_plugins.runtimes.predict.labels import told

HERE = Path(__file__).resolve().parent
CONFIG, SAID = (json.loads((HERE / f"{name}.json").read_text("utf-8")) for name in ("config", "tokenizer_config"))
TOKENIZER = Tokenizer.from_file(str(HERE / "tokenizer.json"))
TOKENIZER.enable_truncation(min(int(SAID.get("model_max_length", 512)), 512))
TOKENIZER.enable_padding(pad_id=CONFIG.get("pad_token_id") or 0)
INPUTS, RUN = opened(HERE)


def said(texts: list[str]) -> list[str]:
    """Lines for one text, or a pair: labels or scores, a tag for each piece, or the answer to a question."""
    encoded = TOKENIZER.encode(texts[0], texts[1] if len(texts) > 1 else None)  # encode_batch for many, padded alike
    columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    outputs = RUN({name: np.array([getattr(encoded, columns[name])], np.int64) for name in INPUTS})
    if "start_logits" in outputs:
        start, end = (outputs[f"{name}_logits"][0] for name in ("start", "end"))
        inside = [i for i, part in enumerate(encoded.sequence_ids) if part == 1]
        i, j = max(((i, j) for i in inside for j in inside if i <= j < i + 30), key=lambda p: start[p[0]] + end[p[1]])
        return [texts[1][encoded.offsets[i][0] : encoded.offsets[j][1]]]
    logits = outputs["logits"][0]
    if logits.ndim == 2:  # a tag for each piece of the text
        found = zip(encoded.offsets, encoded.special_tokens_mask, logits.argmax(-1), strict=True)
        return [f"{texts[0][a:b]}\t{CONFIG['id2label'][str(best)]}" for (a, b), special, best in found if not special]
    return told(logits, CONFIG)


if __name__ == "__main__":
    print("\n".join(said(sys.argv[1:])))
