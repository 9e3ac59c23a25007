"""A graph that grows node by node: names are given, equal constants are kept once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from axkit_plugins.runtimes.network.matrix import Array

OPSET, MICROSOFT, IR = 20, "com.microsoft", 10
T = TypeVar("T")
Attribute = int | float | str | Sequence[int] | Sequence[float]
_SMALL = 64  # values; larger constants are told apart by the array that they come from


class Graph:
    """Nodes and constants of one model; values are spoken of by their names.

    Args:
        widens: weights of few bits are widened to floats when the graph is loaded, and only standard operators are
            used; else they are multiplied as the integers that they are.
    """

    def __init__(self, widens: bool = False) -> None:
        self.widens = widens
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self._known: dict[object, tuple[object, object]] = {}
        self._count = 0

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Attribute) -> str:
        """A node; returns the name of its output.

        Args:
            op: of the standard, or of ``domain``.
            inputs: names of values; "" for one that is left out.
            domain: ``MICROSOFT`` for onnxruntime's own operators.
            attributes: of the node.
        """
        return self.several(1, op, *inputs, domain=domain, **attributes)[0]

    def several(self, outputs: int, op: str, *inputs: str, domain: str = "", **attributes: Attribute) -> list[str]:
        """A node of several outputs; returns their names."""
        self._count += 1
        names = [f"{op}_{self._count}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, names[0], domain=domain, **attributes))
        return names

    def once(self, key: object, make: Callable[[], T], keep: object = None) -> T:
        """What was made for a key, made at its first use; ``keep`` stays alive, so that its id stays its own."""
        if key not in self._known:
            self._known[key] = (make(), keep)
        return cast(T, self._known[key][0])

    def constant(self, array: Array, name: str = "") -> str:
        """An initializer."""
        small = array.size <= _SMALL
        key = (array.dtype.str, array.shape, array.tobytes()) if small else (id(array), array.shape, array.dtype.str)
        return self.once(("constant", key), lambda: self._put(numpy_helper.from_array(array), name), array)

    def rename(self, value: str, name: str) -> None:
        """Give a value that nothing reads yet the name of an output; an Identity would leave it two names."""
        for node in self.nodes:
            node.output[:] = [name if one == value else one for one in node.output]

    def raw(self, kind: int, shape: Sequence[int], data: bytes, name: str = "") -> str:
        """An initializer of a type that numpy has not."""
        return self._put(helper.make_tensor("", kind, shape, data, raw=True), name)

    def whole(self, *values: int) -> str:
        """int64 numbers, (count,)."""
        return self.constant(np.array(values, np.int64))

    def one(self, value: int) -> str:
        """An int64 number without dimensions."""
        return self.constant(np.array(value, np.int64))

    def number(self, value: float) -> str:
        """A float32 number."""
        return self.constant(np.array(value, np.float32))

    def reshape(self, value: str, *shape: int) -> str:
        """-1 is whatever is left, 0 what was there."""
        return self.add("Reshape", value, self.whole(*shape))

    def model(self, inputs: Mapping[str, Sequence[str | int]], outputs: Mapping[str, Sequence[str | int]]) -> bytes:
        """The whole, serialized.

        Args:
            inputs: name -> dimensions; two of int64, four of float32.
            outputs: name -> dimensions, of float32.
        """
        kinds = {2: TensorProto.INT64, 4: TensorProto.FLOAT}
        given = [helper.make_tensor_value_info(n, kinds[len(dims)], list(dims)) for n, dims in inputs.items()]
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims)) for name, dims in outputs.items()]
        graph = helper.make_graph(self.nodes, "axkit", given, made, list(self.constants.values()))
        used = {node.domain for node in self.nodes}
        sets = [helper.make_opsetid("", OPSET), *([helper.make_opsetid(MICROSOFT, 1)] if MICROSOFT in used else [])]
        model = helper.make_model(graph, opset_imports=sets, ir_version=IR, producer_name="axkit")
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _put(self, tensor: TensorProto, name: str) -> str:
        tensor.name = f"{name or 'constant'}_{len(self.constants)}"
        self.constants[tensor.name] = tensor
        return str(tensor.name)


def numbers_in(graph: Graph) -> int:
    """Numbers stored: weights, scales, tables; what only says shapes and places is left out."""
    return sum(int(np.prod(one.dims)) for one in graph.constants.values() if one.data_type != TensorProto.INT64)
