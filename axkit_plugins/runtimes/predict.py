"""Ask the model in this folder: python predict.py TEXT [SECOND TEXT]. Needs tokenizers, and the runtime that
export.json names."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

Outputs = dict[str, np.ndarray]

HERE = Path(__file__).resolve().parent
CONFIG, SAID, EXPORT = (
    json.loads((HERE / name).read_text(encoding="utf-8"))
    for name in ("config.json", "tokenizer_config.json", "export.json")
)
TOKENIZER = Tokenizer.from_file(str(HERE / "tokenizer.json"))
TOKENIZER.enable_truncation(min(int(SAID.get("model_max_length", 512)), 512))
TOKENIZER.enable_padding(pad_id=CONFIG.get("pad_token_id") or 0)


def opened() -> tuple[list[str], Callable[[Outputs], Outputs]]:
    """Names of the inputs, and what makes outputs of them."""
    path = str(HERE / "model.onnx")
    if EXPORT["runtime"] == "openvino":
        import openvino

        core = openvino.Core()
        wide = EXPORT["computes"] == "bfloat16" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        model = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "bf16" if wide else "f32"})
        names = [one.get_any_name() for one in model.inputs]
        return names, lambda given: {one.get_any_name(): value for one, value in model(given).items()}
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = [one.name for one in session.get_outputs()]
    return [one.name for one in session.get_inputs()], lambda given: dict(
        zip(outputs, session.run(None, given), strict=True)
    )


NAMES, RUN = opened()


def answers(texts: list[str | tuple[str, ...]]) -> tuple[list[Encoding], Outputs]:
    """What the tokenizer makes of some texts or pairs, and the model's outputs by name, a row for each."""
    encoded = TOKENIZER.encode_batch(texts)
    columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    return encoded, RUN({name: np.array([getattr(one, columns[name]) for one in encoded], np.int64) for name in NAMES})


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
    shares = np.exp(-np.logaddexp(0, -logits)) if several else np.exp(logits - np.logaddexp.reduce(logits))
    return [f"{names[i]}\t{shares[i]:.4f}" for i in np.argsort(-shares)]


if __name__ == "__main__":
    print("\n".join(said(sys.argv[1:])))
