"""One model of ``peers.py`` in a process of its own: makes it, scores it, and times a pass whenever it is told to.

Runs in the peer's own environment, which may have no axkit; numpy and what the peer needs are all that is imported.
Requests and answers are JSON, one a line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Inputs = dict[str, Any]  # name -> (rows, tokens) int64
Answer = Callable[[Inputs], Any]  # -> (rows, labels) logits


def ours(folder: Path, work: Path, rows: Inputs, threads: int) -> Answer:
    """A folder of axkit, of any runtime; or the dense model itself."""
    import torch

    import axkit

    body = axkit.load_subject(folder).body

    def answer(inputs: Inputs) -> Any:
        found = body.answer({name: torch.from_numpy(value) for name, value in inputs.items()})["logits"]
        body.wait()
        return found.float().numpy()

    return answer


def _module(folder: Path) -> Any:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa").eval()


def _by_torch(module: Any) -> Answer:
    import torch

    def answer(inputs: Inputs) -> Any:
        with torch.inference_mode():
            return module(**{name: torch.from_numpy(value) for name, value in inputs.items()}).logits.float().numpy()

    return answer


def bfloat16(folder: Path, work: Path, rows: Inputs, threads: int) -> Answer:
    """All in bfloat16, in eager PyTorch."""
    import torch

    return _by_torch(_module(folder).to(torch.bfloat16))


def torch_ao(folder: Path, work: Path, rows: Inputs, threads: int) -> Answer:
    """torch.ao's dynamic quantization of linear layers."""
    import torch

    module = torch.ao.quantization.quantize_dynamic(_module(folder), {torch.nn.Linear}, dtype=torch.qint8)
    torch.save(module.state_dict(), work / "model.pt")  # to be weighed, never read
    return _by_torch(module)


def torchao(folder: Path, work: Path, rows: Inputs, threads: int) -> Answer:
    """torchao's dynamic int8, compiled, as its documentation asks for on CPUs."""
    import torch
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    module = _module(folder)
    quantize_(module, Int8DynamicActivationInt8WeightConfig())
    torch.save(module.state_dict(), work / "model.pt")
    return _by_torch(torch.compile(module, dynamic=True))


def _exported(folder: Path, work: Path, rows: Inputs) -> Path:
    """The model as transformers has it, traced to ONNX."""
    import torch

    module, path = _module(folder), work / "float.onnx"
    names = list(rows)
    sample = tuple(torch.from_numpy(rows[name][:2]) for name in names)

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *values: Any) -> Any:
            return self.module(**dict(zip(names, values, strict=True))).logits

    axes = {name: {0: "rows", 1: "tokens"} for name in names}
    torch.onnx.export(
        Logits(), sample, str(path), input_names=names, output_names=["logits"], dynamic_axes=axes, dynamo=False
    )
    return path


def onnxruntime(folder: Path, work: Path, rows: Inputs, threads: int) -> Answer:
    """onnxruntime's dynamic quantization per channel, embeddings included."""
    import onnxruntime as ort
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = work / "model.onnx"
    quantize_dynamic(_exported(folder, work, rows), path, per_channel=True, weight_type=QuantType.QInt8)
    (work / "float.onnx").unlink()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    taken = [one.name for one in session.get_inputs()]
    return lambda inputs: session.run(["logits"], {name: inputs[name] for name in taken})[0]


def openvino(folder: Path, work: Path, rows: Inputs, threads: int) -> Answer:
    """NNCF's post-training quantization, in OpenVINO; what is not quantized in bfloat16 where the processor has it."""
    import nncf
    import openvino as ov
    import torch

    names = list(rows)
    example = {name: torch.from_numpy(rows[name][:2]) for name in names}
    model = ov.convert_model(_module(folder), example_input=example)
    held = _held(work.parent / "calibration.npz")
    single = [cut(held, [row]) for row in range(len(held["attention_mask"]))]
    model = nncf.quantize(model, nncf.Dataset(single), model_type=nncf.ModelType.TRANSFORMER)
    ov.save_model(model, work / "model.xml")
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = ov.Core().compile_model(work / "model.xml", "CPU", settings)
    return lambda inputs: compiled({name: inputs[name] for name in names})[0]


def torch_pruning(folder: Path, work: Path, rows: Inputs, threads: int) -> Answer:
    """torch-pruning by hand: half of the heads and neurons by magnitude, as in its examples; nothing is trained."""
    import torch
    import torch_pruning as tp

    module = _module(folder)
    module.set_attn_implementation("eager")  # which can be traced
    blocks = [one for one in module.modules() if hasattr(one, "query") and hasattr(one, "num_attention_heads")]
    heads = {part: one.num_attention_heads for one in blocks for part in (one.query, one.key, one.value)}
    inner = [part for name, part in module.named_modules() if name.endswith("intermediate.dense")]
    if not heads or not inner:
        raise RuntimeError("its example for BERT knows other names of layers than this model has")
    kept = [one for one in module.modules() if isinstance(one, torch.nn.Linear) and one not in [*heads, *inner]]
    sample = {name: torch.from_numpy(value[:1, :16]) for name, value in rows.items()}
    settings = {"ignored_layers": kept, "num_heads": heads, "prune_num_heads": True, "head_pruning_ratio": 0.5}
    importance = tp.importance.MagnitudeImportance(p=2)
    made = tp.pruner.BasePruner(
        module, sample, importance, pruning_ratio=0.5, output_transform=lambda out: out.logits.sum(), **settings
    )
    made.step()
    for one in blocks:
        one.num_attention_heads = made.num_heads[one.query]
        one.all_head_size = one.query.out_features
        one.attention_head_size = one.all_head_size // one.num_attention_heads
    module.set_attn_implementation("sdpa")
    torch.save(module.state_dict(), work / "model.pt")  # to be weighed, never read
    return _by_torch(module)


def textpruner(folder: Path, work: Path, rows: Inputs, threads: int) -> Answer:
    """TextPruner's vocabulary pruning: word pieces that no training row has are unknown ones from then on."""
    from textpruner import GeneralConfig, VocabularyPruner
    from transformers import AutoTokenizer

    module, tokenizer = _module(folder), AutoTokenizer.from_pretrained(folder)
    seen = np.unique(_held(work.parent / "train.npz")["input_ids"]).tolist()
    number = np.full(module.config.vocab_size, 0)
    pruner = VocabularyPruner(module, tokenizer, general_config=GeneralConfig(use_device="cpu", output_dir=str(work)))
    pruner.prune(additional_token_ids=seen)
    number[:] = pruner.pruned_token_ids.index(tokenizer.unk_token_id)
    number[pruner.pruned_token_ids] = np.arange(len(pruner.pruned_token_ids))
    answer = _by_torch(module)
    return lambda inputs: answer({**inputs, "input_ids": number[inputs["input_ids"]]})


PEERS = {"axkit": ours, "dense": ours} | {
    one.__name__: one for one in (bfloat16, torch_ao, torchao, onnxruntime, openvino, torch_pruning, textpruner)
}


def _held(path: Path) -> Inputs:
    with np.load(path) as found:
        return {name: found[name] for name in found.files if name != "labels"}


def cut(rows: Mapping[str, Any], chosen: list[int]) -> Inputs:
    """Some rows, padded to the longest of them."""
    longest = int(rows["attention_mask"][chosen].sum(1).max())
    return {name: np.ascontiguousarray(value[chosen, :longest]) for name, value in rows.items()}


def main(peer: str, folder: str, work: str, data: str, threads: int) -> None:
    """Make the model; then a line of JSON for each line that comes."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no reply
    rows = _held(Path(data))
    if "torch" in sys.modules or peer not in ("onnxruntime", "openvino"):
        import torch

        torch.set_num_threads(threads)
    answer = PEERS[peer](Path(folder), Path(work), rows, threads)
    replies.write(json.dumps({"ready": True}) + "\n")
    replies.flush()
    for line in sys.stdin:
        batches = [cut(rows, chosen) for chosen in json.loads(line)["batches"]]
        spent, found = [], []
        for batch in batches:
            start = time.perf_counter()
            logits = answer(batch)
            spent.append(time.perf_counter() - start)
            found.append(np.asarray(logits).argmax(-1).tolist())
        replies.write(json.dumps({"seconds": spent, "answers": found}) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]))
