"""Ask the model in this folder: python predict.py TEXT [SECOND TEXT]. Needs numpy, onnxruntime and tokenizers alone."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
CONFIG = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
SAID = json.loads((HERE / "tokenizer_config.json").read_text(encoding="utf-8"))
TOKENIZER = Tokenizer.from_file(str(HERE / "tokenizer.json"))
TOKENIZER.enable_truncation(min(int(SAID.get("model_max_length", 512)), 512))
TOKENIZER.enable_padding(pad_id=CONFIG.get("pad_token_id") or 0)
SESSION = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])


def answers(texts: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """What the tokenizer makes of some texts or pairs, and the model's outputs by name, a row for each."""
    encoded = TOKENIZER.encode_batch(texts)
    columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    names = [one.name for one in SESSION.get_inputs()]
    inputs = {name: np.array([getattr(one, columns[name]) for one in encoded], np.int64) for name in names}
    return encoded, dict(zip([one.name for one in SESSION.get_outputs()], SESSION.run(None, inputs), strict=True))


def softmax(x: Any) -> Any:
    """Over the last dimension."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def said(texts: list[str]) -> list[str]:
    """Lines for one text, or a pair: labels or scores, a tag for each piece, or the answer to a question."""
    (encoded,), outputs = answers([tuple(texts) if len(texts) > 1 else texts[0]])
    names = [CONFIG["id2label"][key] for key in sorted(CONFIG["id2label"], key=int)]
    if "start_logits" in outputs:
        start, end = (outputs[f"{name}_logits"][0] for name in ("start", "end"))
        inside = [i for i, part in enumerate(encoded.sequence_ids) if part == 1]
        i, j = max(((i, j) for i in inside for j in inside if i <= j < i + 30), key=lambda p: start[p[0]] + end[p[1]])
        return [texts[1][encoded.offsets[i][0] : encoded.offsets[j][1]]]
    logits = outputs["logits"][0]
    if logits.ndim == 2:  # a tag for each piece of the text
        found = zip(encoded.offsets, encoded.special_tokens_mask, logits.argmax(-1), strict=True)
        return [f"{texts[0][a:b]}\t{names[best]}" for (a, b), special, best in found if not special]
    if len(logits) == 1:
        return [f"score\t{logits[0]:.4f}"]
    several = CONFIG.get("problem_type") == "multi_label_classification"
    shares = 1 / (1 + np.exp(-logits)) if several else softmax(logits)
    return [f"{names[i]}\t{shares[i]:.4f}" for i in np.argsort(-shares)]


if __name__ == "__main__":
    print("\n".join(said(sys.argv[1:])))
