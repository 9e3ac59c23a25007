"""Linear layers, tables, norms and activations as nodes, by how their weights are stored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from axkit_plugins.runtimes.network.matrix import Array, Bytes, Floats, Linear, Matrix, Nibbles
from axkit_plugins.runtimes.network.network import Norm
from axkit_plugins.runtimes.onnx.graph import MICROSOFT, Graph

_HALF = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}
_BLOCK = 16  # the smallest that 4-bit operators of onnxruntime know
_SMALL_TABLE = 4096  # rows; positions and types, which are then widened when a graph is loaded, not for every token


def linear(graph: Graph, x: str, layer: Linear, name: str) -> str:
    """(tokens, inputs) -> (tokens, outputs)."""
    if isinstance(layer.weight, Nibbles) and layer.weight.activation_bits is not None:
        x = _rounded(graph, x, layer.weight, layer.weight.activation_bits)
    if graph.widens and not isinstance(layer.weight, Floats):
        return _widened(graph, x, layer, name)
    if isinstance(layer.weight, Bytes):
        return _in_bytes(graph, x, layer.weight, layer.bias, name)
    if isinstance(layer.weight, Nibbles):
        return _in_nibbles(graph, x, layer.weight, layer.bias, name)
    weight = graph.once(("columns", id(layer)), lambda: floats(graph, _turned(layer.weight), name), layer)
    bias = () if layer.bias is None else (graph.constant(layer.bias, f"{name}.bias"),)
    return graph.add("Gemm", x, weight, *bias)


def _widened(graph: Graph, x: str, layer: Linear, name: str) -> str:
    """Floats of few bits; what reads the graph may keep the bits and widen them as it multiplies."""
    weight = layer.weight
    assert not isinstance(weight, Floats)
    if isinstance(weight, Bytes):
        codes = graph.once(("codes", id(weight)), lambda: _columns(graph, weight, name), weight)
        scale = graph.constant(weight.scale[None, :], f"{name}.scale")
        wide = _scaled(graph, codes, scale)
    else:
        rows = graph.constant(np.arange(len(weight.codes)))
        wide = graph.add("Transpose", _nibble_rows(graph, weight, rows, name), perm=[1, 0])
    product = graph.add("MatMul", x, wide)
    return product if layer.bias is None else graph.add("Add", product, graph.constant(layer.bias, f"{name}.bias"))


def floats(graph: Graph, matrix: Floats, name: str) -> str:
    """A matrix of floats as float32; one that is stored in 16 bits is widened when the graph is loaded."""
    if not matrix.half:
        return graph.constant(matrix.values, name)
    wide = np.ascontiguousarray(matrix.values)
    data = wide.astype(np.float16) if matrix.half == "float16" else (wide.view(np.uint32) >> 16).astype(np.uint16)
    kept = graph.raw(_HALF[matrix.half], wide.shape, data.tobytes(), name)
    return graph.add("Cast", kept, to=TensorProto.FLOAT)


def _turned(matrix: Matrix) -> Floats:
    assert isinstance(matrix, Floats)
    return Floats(np.ascontiguousarray(matrix.values.T), matrix.half)


def _in_bytes(graph: Graph, x: str, weight: Bytes, bias: Array | None, name: str) -> str:
    """Integer products; what onnxruntime joins into one kernel of its own is written as it looks for it."""
    codes = graph.once(("codes", id(weight)), lambda: _columns(graph, weight, name), weight)
    if weight.grid is None:
        rounded, step, zero = graph.once(("rounded", x), lambda: graph.several(3, "DynamicQuantizeLinear", x))
        scale = graph.add("Mul", step, graph.constant(weight.scale, f"{name}.scale"))
    else:
        step, zero = graph.number(weight.grid[0]), graph.constant(np.array(weight.grid[1], np.uint8))
        (rounded,) = graph.once(("rounded", x, weight.grid), lambda: [graph.add("QuantizeLinear", x, step, zero)])
        scale = graph.constant(weight.scale * np.float32(weight.grid[0]), f"{name}.scale")
    product = graph.add("MatMulInteger", rounded, codes, zero)
    product = graph.add("Mul", graph.add("Cast", product, to=TensorProto.FLOAT), scale)
    return product if bias is None else graph.add("Add", product, graph.constant(bias, f"{name}.bias"))


def _columns(graph: Graph, weight: Bytes, name: str) -> str:
    return graph.constant(np.ascontiguousarray(weight.codes.T), name)


def _in_nibbles(graph: Graph, x: str, weight: Nibbles, bias: Array | None, name: str) -> str:
    (rows, columns), vector = weight.codes.shape, weight.vector
    if vector < _BLOCK or vector & (vector - 1):
        expanded = Linear(Floats(weight.expanded()), bias)
        return linear(graph, x, expanded, name)
    vectors = weight.scale.shape[1]
    packed = graph.constant(_packed(weight, vectors).reshape(rows, vectors, vector // 2), name)
    scale = graph.constant(np.ascontiguousarray(weight.scale).reshape(-1), f"{name}.scale")
    inputs = [x, packed, scale, *([] if bias is None else ["", "", graph.constant(bias, f"{name}.bias")])]
    return graph.add("MatMulNBits", *inputs, domain=MICROSOFT, K=columns, N=rows, bits=4, block_size=vector)


def _rounded(graph: Graph, x: str, weight: Nibbles, bits: int) -> str:
    """Inputs of a 4-bit layer in few bits, as the pass ``int4_vsq`` simulates them; the same shape."""
    columns, vector = weight.codes.shape[1], weight.vector
    return graph.once(("rounded", x, vector, bits), lambda: _in_few_bits(graph, x, columns, vector, bits))


def _in_few_bits(graph: Graph, x: str, columns: int, vector: int, bits: int) -> str:
    missing = -columns % vector
    x = graph.add("Pad", x, graph.whole(0, 0, 0, missing)) if missing else x
    split = graph.reshape(x, -1, (columns + missing) // vector, vector)
    largest = graph.add("ReduceMax", graph.add("Abs", split), graph.whole(2))
    tiny = graph.number(float(np.finfo(np.float32).tiny))
    step = graph.add("Div", graph.add("Max", largest, tiny), graph.number(2 ** (bits - 1) - 1))
    rounded = graph.add("Mul", graph.add("Round", graph.add("Div", split, step)), step)
    whole = graph.reshape(rounded, -1, columns + missing)
    return graph.add("Slice", whole, graph.whole(0), graph.whole(columns), graph.whole(1)) if missing else whole


def _packed(weight: Nibbles, vectors: int) -> Array:
    """Two codes in a byte, the even column in the low half; each row filled up to whole vectors."""
    missing = vectors * weight.vector - weight.codes.shape[1]
    codes = (np.pad(weight.codes, ((0, 0), (0, missing))) + 8).astype(np.uint8)
    return np.ascontiguousarray(codes[:, ::2] | (codes[:, 1::2] << 4))


def table(graph: Graph, rows: Matrix, where: str, name: str) -> str:
    """Rows of a table: (...) int64 -> (..., width) float32."""
    if isinstance(rows, Bytes):
        codes, scale = graph.constant(rows.codes, name), graph.constant(rows.scale[:, None], f"{name}.scale")
        if len(rows.codes) <= _SMALL_TABLE and not graph.widens:  # of constants alone: computed once, at loading
            return graph.add("Gather", _scaled(graph, codes, scale), where)
        return _scaled(graph, graph.add("Gather", codes, where), graph.add("Gather", scale, where))
    if isinstance(rows, Nibbles):
        return _nibble_rows(graph, rows, where, name)
    if not rows.half:
        return graph.add("Gather", graph.constant(rows.values, name), where)
    return graph.add("Gather", floats(graph, rows, name), where)


def _scaled(graph: Graph, codes: str, scale: str) -> str:
    """Integers as the floats that they stand for."""
    return graph.add("Mul", graph.add("Cast", codes, to=TensorProto.FLOAT), scale)


def _nibble_rows(graph: Graph, rows: Nibbles, where: str, name: str) -> str:
    """Only the rows that are looked up are unpacked: low and high halves side by side, then scaled."""
    vectors, (_, columns) = rows.scale.shape[1], rows.codes.shape
    packed = graph.add("Gather", graph.constant(_packed(rows, vectors), name), where)
    whole = graph.add("Cast", packed, to=TensorProto.FLOAT)  # bit by bit OpenVINO 2026.4 gets it wrong
    high = graph.add("Floor", graph.add("Mul", whole, graph.number(1 / 16)))
    low = graph.add("Sub", whole, graph.add("Mul", high, graph.number(16.0)))
    codes = graph.add("Concat", *(graph.add("Unsqueeze", half, graph.whole(-1)) for half in (low, high)), axis=-1)
    codes = graph.reshape(graph.add("Sub", codes, graph.number(8.0)), -1, vectors, rows.vector)
    scale = graph.add("Gather", graph.constant(rows.scale[:, :, None], f"{name}.scale"), where)
    whole = graph.reshape(graph.add("Mul", codes, scale), -1, vectors * rows.vector)
    if vectors * rows.vector == columns:
        return whole
    return graph.add("Slice", whole, graph.whole(0), graph.whole(columns), graph.whole(1))


def norm(graph: Graph, x: str, of: Norm, name: str) -> str:
    """LayerNorm over the last dimension."""
    bias = () if of.bias is None else (graph.constant(of.bias, f"{name}.bias"),)
    return graph.add("LayerNormalization", x, graph.constant(of.weight, name), *bias, epsilon=of.epsilon)


def activate(graph: Graph, x: str, name: str) -> str:
    """An activation, a value of ``ACTIVATIONS``."""
    return _ACTIVATIONS[name](graph, x)


def _clipped(graph: Graph, x: str, least: float, most: float) -> str:
    return graph.add("Clip", x, graph.number(least), graph.number(most))


def _laplace(graph: Graph, x: str) -> str:
    """The distribution function of a normal one, as transformers rounds its mean and its deviation."""
    apart = graph.add("Div", graph.add("Sub", x, graph.number(0.707107)), graph.number(0.282095 * 2**0.5))
    return graph.add("Mul", graph.add("Add", graph.add("Erf", apart), graph.number(1.0)), graph.number(0.5))


def _relu2(graph: Graph, x: str) -> str:
    over = graph.add("Relu", x)
    return graph.add("Mul", over, over)


def _swish(graph: Graph, x: str, slope: float) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x if slope == 1 else graph.add("Mul", x, graph.number(slope))))


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "": lambda graph, x: x,
    "gelu": lambda graph, x: graph.add("Gelu", x),
    "gelu_10": lambda graph, x: _clipped(graph, graph.add("Gelu", x), -10, 10),
    "gelu_tanh": lambda graph, x: graph.add("Gelu", x, approximate="tanh"),
    "hardswish": lambda graph, x: graph.add("HardSwish", x),
    "laplace": _laplace,
    "leaky_relu": lambda graph, x: graph.add("LeakyRelu", x, alpha=0.01),
    "mish": lambda graph, x: graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x))),
    "quick_gelu": lambda graph, x: _swish(graph, x, 1.702),
    "relu": lambda graph, x: graph.add("Relu", x),
    "relu2": _relu2,
    "relu6": lambda graph, x: _clipped(graph, x, 0, 6),
    "sigmoid": lambda graph, x: graph.add("Sigmoid", x),
    "silu": lambda graph, x: _swish(graph, x, 1),
    "tanh": lambda graph, x: graph.add("Tanh", x),
}
