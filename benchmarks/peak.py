"""What share of onnxruntime's own int8 peak an exported folder reaches, and where the rest of its time goes.

    python benchmarks/peak.py runs/exported --rows 32 --tokens 128 --threads 2

The peak is the best of lone products of 8-bit integers as exported graphs have them (DynamicQuantizeLinear,
MatMulInteger, scales), 2,048 rows by square matrices, in sessions like the folder's, in turn with it. The graph's own
products are counted from its nodes as they run, by onnxruntime's profile, which also says where time goes by operator.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from axkit.ground.processor import Processor

ROWS, WIDTHS = 2048, (384, 768, 1024, 2048)
TURNS = 15
INTEGER = ("DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat")  # as written, and what they are joined to


def session(model: bytes, threads: int, profile: str = "") -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # whoever is timed next wants the cores
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def lone_product(width: int) -> bytes:
    draw = np.random.default_rng(0)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "step", "zero"]),
        helper.make_node("MatMulInteger", ["q", "codes", "zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["step", "scale"], ["scales"]),
        helper.make_node("Mul", ["wide", "scales"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(draw.integers(-127, 128, (width, width), np.int8), "codes"),
        numpy_helper.from_array(np.full(width, 0.01, np.float32), "scale"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width]) for name in "xy"]
    graph = helper.make_graph(nodes, "peak", ends[:1], ends[1:], weights)
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString())


def of_rows(opened: onnxruntime.InferenceSession, rows: int, tokens: int, vocabulary: int) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    made = {
        "input_ids": draw.integers(5, vocabulary, (rows, tokens)),
        "attention_mask": np.ones((rows, tokens), np.int64),
        "token_type_ids": np.zeros((rows, tokens), np.int64),
    }
    return {one.name: made[one.name].astype(np.int64) for one in opened.get_inputs()}


def profiled(model: bytes, threads: int, inputs: Mapping[str, Any]) -> tuple[float, dict[str, float]]:
    """(operations of integer products in one pass, share of its time by operator)."""
    with tempfile.TemporaryDirectory() as folder:
        opened = session(model, threads, str(Path(folder) / "profile"))
        for _ in range(5):
            opened.run(None, dict(inputs))
        events = json.loads(Path(opened.end_profiling()).read_text(encoding="utf-8"))
    shares: Counter[str] = Counter()
    done = 0.0
    for event in events:
        facts = event.get("args", {})
        if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
            continue
        shares[facts["op_name"]] += event["dur"]
        if facts["op_name"] in INTEGER:
            rows, inputs_each = _shape(facts["input_type_shape"][0])
            done += 2.0 * rows * inputs_each * _shape(facts["output_type_shape"][0])[1]
    whole = sum(shares.values())
    return done / 5, {name: time / whole for name, time in shares.most_common()}


def _shape(one: Mapping[str, list[int]]) -> list[int]:
    (shape,) = one.values()
    return shape


def alone(width: int, threads: int) -> Callable[[], object]:
    model = lone_product(width)
    onnx.checker.check_model(onnx.load_from_string(model))
    opened = session(model, threads)
    x = np.random.default_rng(1).standard_normal((ROWS, width), np.float32)
    return lambda: opened.run(None, {"x": x})


def seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    graph = (args.folder / "model.onnx").read_bytes()
    vocabulary = int(json.loads((args.folder / "config.json").read_text(encoding="utf-8"))["vocab_size"])
    ours = session(graph, args.threads)
    inputs = of_rows(ours, args.rows, args.tokens, vocabulary)
    runs: dict[int, Callable[[], object]] = {0: lambda: ours.run(None, inputs)}
    runs |= {width: alone(width, args.threads) for width in WIDTHS}
    taken: dict[int, list[float]] = {name: [] for name in runs}
    for run in (*runs.values(), *runs.values()):
        run()
    for _ in range(TURNS):
        for name, run in runs.items():
            taken[name].append(seconds(run))
    done, shares = profiled(graph, args.threads, inputs)
    reached = done / statistics.median(taken[0]) / 1e12
    peak = max(2.0 * ROWS * width**2 / statistics.median(taken[width]) / 1e12 for width in WIDTHS)
    where = f"{Processor.here().name}, {args.threads} threads, {args.rows} x {args.tokens}"
    print(f"{where}: {reached:.3f} of {peak:.3f} TOPS")
    for name, share in shares.items():
        if share >= 0.01:
            print(f"  {100 * share:4.1f} %  {name}")
    print(json.dumps({"tops": reached, "peak_tops": peak, "share": reached / peak, "time_by_operator": shares}))


if __name__ == "__main__":
    main()
