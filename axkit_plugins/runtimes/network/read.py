"""A transformers model, as passes left it, read into a :class:`Network`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from axkit import Layer, NotApplicable, Subject
from axkit.kit import weight_matrix
from axkit_plugins.runtimes.network.forms import ACTIVATIONS, FORMS, OF_EACH_TOKEN, Form
from axkit_plugins.runtimes.network.matrix import Array, Bytes, Floats, Linear, Matrix, Nibbles, to_bytes
from axkit_plugins.runtimes.network.network import (
    Attention,
    Constant,
    Embeddings,
    FeedForward,
    Head,
    LayerParts,
    Network,
    Norm,
    Table,
)

Precision = Literal["stored", "float32", "bfloat16", "int8"]
_HALF = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


def read_network(subject: Subject, precision: Precision) -> Network:
    """Read a model; nothing of it is changed.

    Args:
        subject: of a transformers model of a family in :data:`FORMS`.
        precision: of the weights: as they are stored, or all expanded to float32 or rounded to bfloat16, or what is
            in float rounded to 8 bits, as the pass ``int8`` does it.

    Raises:
        NotApplicable: it has something of which no graph is built.
    """
    return _Reading(subject, precision).network()


class _Reading:
    """One model being read."""

    def __init__(self, subject: Subject, precision: Precision) -> None:
        self.subject, self.precision = subject, precision
        self.model: Any = subject.module
        self.form: Form = FORMS[subject.family.model_type]

    def network(self) -> Network:
        """All of it."""
        config, family = self.model.config, self.subject.family
        activation = str(getattr(config, self.form.activation))
        if activation not in ACTIVATIONS:
            raise NotApplicable(
                f"its neurons have the activation '{activation}', and graphs are built with "
                f"{', '.join(ACTIVATIONS)}; keep it in PyTorch"
            )
        hidden = family.size(config, "hidden")
        inputs = ["input_ids", "attention_mask"]
        if self._reads_types():
            inputs.append("token_type_ids")
        layers = list(self._layers(hidden // self.subject.structure.n_heads))
        if family.shared_layers:
            layers = layers * int(getattr(config, family.config.layers))
        return Network(tuple(inputs), self._embeddings(), tuple(layers), activation, self._head(), hidden)

    def _reads_types(self) -> bool:
        """Whether rows come with token types; where none does, all are of the first."""
        reader = self.subject.reader
        return bool(self.form.types) and (reader is None or "token_type_ids" in reader.model_input_names)

    def _embeddings(self) -> Embeddings:
        form, base = self.form, self.model.base_model
        tables = [Table(self._table(base, form.word), "ids")]
        positions = self._table(base, form.positions)
        if self._reads_types():
            tables.append(Table(self._table(base, form.types), "types"))
        elif form.types:
            positions = Floats(positions.expanded() + self._table(base, form.types).expanded()[:1])
        tables.append(Table(positions, "positions"))
        project = None
        if form.project and _has(base, form.project):
            project = self._linear(base.get_submodule(form.project), form.project)
        padding = None
        if self.subject.family.positions_after_padding:
            padding = int(base.get_submodule("embeddings").padding_idx)
        return Embeddings(tuple(tables), norm_of(base.get_submodule(form.norm)), project, padding)

    def _layers(self, head_size: int) -> Iterator[LayerParts]:
        structure = self.subject.structure
        for layer in self.subject.layers:
            left, at = structure.layers[layer.index], f"layer {layer.index}"
            attention: Attention | Constant | None = None
            if left.attention and left.heads:
                attention = self._attention(layer, at, len(left.heads), head_size, left.hard_k)
            elif left.attention:
                attention = self._constant(layer.attention_out)
            ffn: FeedForward | Constant | None = None
            if left.ffn and left.neurons:
                inner, outer = layer.ffn_in, layer.ffn_out
                ffn = FeedForward(self._linear(inner, f"{at}, ffn_in"), self._linear(outer, f"{at}, ffn_out"))
            elif left.ffn:
                ffn = self._constant(layer.ffn_out)
            yield LayerParts(attention, ffn, norm_of(layer.attention_norm), norm_of(layer.ffn_norm))

    def _attention(self, layer: Layer, at: str, heads: int, head_size: int, hard_k: int | float | None) -> Attention:
        query, key, value, out = (
            self._linear(getattr(layer, role), f"{at}, {role}") for role in ("query", "key", "value", "attention_out")
        )
        return Attention(query.times(head_size**-0.5), key, value, out, heads, hard_k)

    def _constant(self, out: Any) -> Constant | None:
        return None if out.bias is None else Constant(array_of(out.bias))

    def _head(self) -> Head:
        name = type(self.model).__name__
        for end, (path, outputs) in OF_EACH_TOKEN.items():
            if name.endswith(f"For{end}"):
                return Head(((self._linear(self.model.get_submodule(path), path), ""),), False, outputs)
        if not name.endswith("ForSequenceClassification"):
            raise NotApplicable(f"graphs are not built of the head of a {name}; keep it in PyTorch")
        steps = [(self._linear(self.model.get_submodule(path), path), then) for path, then in self.form.classifier]
        return Head(tuple(steps), True, ("logits",))

    def _linear(self, module: Any, where: str) -> Linear:
        bias = getattr(module, "bias", None)
        return Linear(self._as_wanted(stored(module, where)), None if bias is None else array_of(bias))

    def _table(self, base: Any, path: str) -> Matrix:
        return self._as_wanted(stored(base.get_submodule(path), path))

    def _as_wanted(self, matrix: Matrix) -> Matrix:
        if self.precision == "float32":
            return Floats(matrix.expanded())
        if self.precision == "bfloat16":
            return Floats(torch.from_numpy(matrix.expanded()).bfloat16().float().numpy(), "bfloat16")
        if self.precision == "int8" and isinstance(matrix, Floats):
            return to_bytes(matrix)
        return matrix


def stored(module: Any, where: str) -> Matrix:
    """The weight of a linear layer or an embedding, as it is stored: known by its tensors, whoever made it.

    Args:
        module: of it.
        where: it stands, for the message.

    Raises:
        NotApplicable: it is stored in a way of which no graph is built.
    """
    for read in (_floats, _bytes, _nibbles):
        found = read(module)
        if found is not None:
            return found
    raise NotApplicable(
        f"{where} is stored as a {type(module).__name__}, of which no graph is built; export before it, or take int8 "
        f"or int4_vsq in its place"
    )


def _floats(module: Any) -> Floats | None:
    if type(module) not in (nn.Embedding, nn.Linear, Conv1D):  # what derives from them computes something else
        return None
    weight = module.weight if isinstance(module, nn.Embedding) else weight_matrix(module)
    plain = type(weight) in (Tensor, nn.Parameter) and weight.is_floating_point()
    return Floats(array_of(weight), _HALF.get(weight.dtype, "")) if plain else None


def _bytes(module: Any) -> Bytes | None:
    weight, scale = getattr(module, "weight", None), getattr(module, "scale", None)
    if not isinstance(weight, Tensor) or not isinstance(scale, Tensor):
        return None
    if weight.dtype != torch.int8 or scale.shape != weight.shape[:1]:
        return None
    step, zero = getattr(module, "input_scale", None), getattr(module, "input_zero", None)
    grid = (float(step), int(zero)) if step is not None and zero is not None else None
    return Bytes(weight.detach().numpy().copy(), array_of(scale), grid)


def _nibbles(module: Any) -> Nibbles | None:
    numbers: Callable[[], Any] | None = getattr(module, "numbers", None)
    if numbers is None or getattr(module, "activation_bits", None) is not None:
        return None
    found = numbers()
    scale = found.vector_scale.float() * found.scale[:, None]
    return Nibbles(found.codes.numpy(), array_of(scale), int(module.vector))


def array_of(tensor: Tensor) -> Array:
    """A copy, in float32."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy()).copy()


def norm_of(module: Any) -> Norm:
    """The numbers of a LayerNorm."""
    bias = getattr(module, "bias", None)
    return Norm(array_of(module.weight), None if bias is None else array_of(bias), float(module.eps))


def _has(module: Any, path: str) -> bool:
    for name in path.split("."):
        if not hasattr(module, name):
            return False
        module = getattr(module, name)
    return True
