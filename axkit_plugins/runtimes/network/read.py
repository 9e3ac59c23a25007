"""A transformers model, as passes left it, read into a ``Network``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from axkit import Layer, NotApplicable, Subject
from axkit_plugins.runtimes.network.deberta import convolution_of, relative_of, scaling_of
from axkit_plugins.runtimes.network.forms import (
    ACTIVATIONS,
    FORMS,
    OF_CONFIG,
    OF_EACH_TOKEN,
    Form,
    Part,
    check_config,
)
from axkit_plugins.runtimes.network.matrix import Floats, Linear, Matrix, apart, to_bytes
from axkit_plugins.runtimes.network.modules import (
    array_of,
    distances_of,
    norm_of,
    part_of,
    patches_of,
    rotary_of,
    stored,
)
from axkit_plugins.runtimes.network.network import (
    Attention,
    Constant,
    Embeddings,
    FeedForward,
    Head,
    LayerParts,
    Network,
    Norm,
    Reads,
    Step,
    Table,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Precision = Literal["stored", "float32", "bfloat16", "int8"]


def read_network(subject: Subject, precision: Precision) -> Network:
    """Read a model; nothing of it is changed.

    Args:
        subject: of a transformers model of a family in ``FORMS``.
        precision: of the weights: as they are stored, or all expanded to float32 or rounded to bfloat16, or what is
            in float rounded to 8 bits, as the pass ``int8`` does it.

    Raises:
        NotApplicable: it has something of which no graph is built.
    """
    check_config(subject.family.model_type, subject.module.config.to_dict())
    return _Reading(subject, precision).network()


class _Reading:
    """One model being read."""

    def __init__(self, subject: Subject, precision: Precision) -> None:
        self.subject = subject
        self.model: PreTrainedModel = subject.module
        self.weights = _Weights(precision)
        self.form: Form = FORMS[subject.family.model_type]

    def network(self) -> Network:
        """All of it."""
        config, family = self.model.config, self.subject.family
        reads_text = family.inputs == "tokens"
        inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if self._reads_types() else [])]
        layers = tuple(self._layers())
        if family.shared_layers:
            layers = layers * int(getattr(config, family.config.layers))
        convolution = convolution_of(self.model.base_model)
        if convolution is not None and not self.subject.structure.layers[0].present:  # it stands beside nothing then
            layers = (LayerParts(None, None, None, None), *layers)
        return Network(
            tuple(inputs) if reads_text else ("pixel_values",),
            self._embeddings() if reads_text else patches_of(self.model.base_model.embeddings),
            layers,
            self._activation(f"{OF_CONFIG}{self.form.activation}"),
            self._head(),
            family.pre_norm,
            self._norm(self.form.last_norm),
            distances_of(self.model.base_model, int(getattr(config, "max_position_embeddings", 0))),
            convolution,
        )

    def _said(self, value: str) -> str:
        """A word of a form, or what the config says in its place."""
        field = value.removeprefix(OF_CONFIG)
        return value if field == value else str(getattr(self.model.config, field))

    def _activation(self, value: str) -> str:
        return ACTIVATIONS[self._said(value)]

    def _norm(self, path: str) -> Norm | None:
        return norm_of(self.model.base_model.get_submodule(path)) if path else None

    def _reads_types(self) -> bool:
        """Whether rows come with token types."""
        reader, form = self.subject.reader, self.form
        given = not form.types_if_given if reader is None else "token_type_ids" in reader.model_input_names
        return bool(form.types) and part_of(self.model.base_model, form.types) is not None and given

    def _embeddings(self) -> Embeddings:
        form, base = self.form, self.model.base_model
        tables, reads_types = [Table(self.weights.table(base, form.word), "ids")], self._reads_types()
        if reads_types:
            tables.append(Table(self.weights.table(base, form.types), "types"))
        if form.positions and part_of(base, form.positions) is not None:
            tables.append(Table(self.weights.table(base, form.positions), "positions"))
        lacks_types = bool(form.types) and not reads_types and not form.types_if_given
        if lacks_types and part_of(base, form.types) is not None:  # all are of the first type
            last = tables.pop()
            both = Floats(last.rows.expanded() + self.weights.table(base, form.types).expanded()[:1])
            tables.append(Table(both, last.index))
        then: list[Norm | Linear | None] = [self._norm(form.norm)]
        if form.project and part_of(base, form.project) is not None:
            project = self.weights.linear(base.get_submodule(form.project), form.project)
            then.insert(0 if form.project_first else 1, project)
        padding = None
        if self.subject.family.positions_after_padding:
            padding = int(base.get_submodule("embeddings").padding_idx)
        return Embeddings(tuple(tables), tuple(one for one in then if one is not None), padding)

    def _layers(self) -> Iterator[LayerParts]:
        structure = self.subject.structure
        for layer in self.subject.layers:
            left, at = structure.layers[layer.index], f"layer {layer.index}"
            attention: Attention | Constant | None = None
            if left.attention and left.heads:
                attention = self._attention(layer, at, left.heads, left.hard_k)
            elif left.attention:
                attention = self._constant(layer.attention_out)
            ffn: FeedForward | Constant | None = None
            if left.ffn and left.neurons:
                inner, outer = (
                    self.weights.linear(layer.ffn_in, f"{at}, ffn_in"),
                    self.weights.linear(layer.ffn_out, f"{at}, ffn_out"),
                )
                ffn = FeedForward(inner, outer, self.subject.family.gated_ffn)
            elif left.ffn:
                ffn = self._constant(layer.ffn_out)
            yield LayerParts(attention, ffn, norm_of(layer.attention_norm), norm_of(layer.ffn_norm))

    def _attention(self, layer: Layer, at: str, heads: tuple[int, ...], hard_k: int | float | None) -> Attention:
        family, core = self.subject.family, layer.attention_core
        out = self.weights.linear(layer.attention_out, f"{at}, attention_out")
        if family.fused_qkv:
            query, key, value = apart(self.weights.linear(layer.qkv, f"{at}, qkv"), 3)
        else:
            query, key, value = (
                self.weights.linear(getattr(layer, r), f"{at}, {r}") for r in ("query", "key", "value")
            )
        size = family.size(self.model.config, "hidden") // self.subject.structure.n_heads
        scaling = float(getattr(core, "scaling", scaling_of(core, size)))
        window = getattr(core, "sliding_window", None)
        return Attention(
            query.times(scaling),
            key,
            value,
            out,
            heads,
            hard_k,
            bool(getattr(core, "is_causal", False)),
            None if window is None else int(window) - 1,  # the core counts the query in
            rotary_of(self.model.base_model, layer.module),
            relative_of(self.model.base_model, core, len(heads), scaling),
        )

    def _constant(self, out: nn.Module) -> Constant | None:
        bias = getattr(out, "bias", None)
        return None if bias is None else Constant(array_of(bias))

    def _head(self) -> Head:
        name = type(self.model).__name__
        for end, (path, outputs) in OF_EACH_TOKEN.items():
            if name.endswith(f"For{end}"):
                path = path if part_of(self.model, path) else "classifier"  # ModernBERT's has this name in every head
                return Head(self._steps((*self.form.of_each, Part(path))), "each", None, outputs)
        if not name.endswith(("ForSequenceClassification", "ForImageClassification")):
            raise NotApplicable(f"graphs are not built of the head of a {name}; keep it in PyTorch")
        words: dict[str, Reads] = {"first": "first", "cls": "first", "last": "last", "mean": "mean"}
        padding = getattr(self.model.config, "pad_token_id", None)
        return Head(self._steps(self.form.classifier), words[self._said(self.form.reads)], padding, ("logits",))

    def _steps(self, parts: tuple[Part, ...]) -> tuple[Step, ...]:
        return tuple(
            Step(
                self.weights.linear(self.model.get_submodule(part.path), part.path),
                self._activation(part.activation),
                norm_of(self.model.get_submodule(part.norm)) if part.norm else None,
            )
            for part in parts
        )


class _Weights:
    """Linear layers and tables, in the wanted precision."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision

    def linear(self, module: nn.Module, where: str) -> Linear:
        """A layer; ``where`` it stands, for messages."""
        bias = getattr(module, "bias", None)
        return Linear(self._as_wanted(stored(module, where)), None if bias is None else array_of(bias))

    def table(self, base: nn.Module, path: str) -> Matrix:
        """The embedding at a path."""
        return self._as_wanted(stored(base.get_submodule(path), path))

    def _as_wanted(self, matrix: Matrix) -> Matrix:
        if self.precision == "float32":
            return Floats(matrix.expanded())
        if self.precision == "bfloat16":
            return Floats(torch.from_numpy(matrix.expanded()).bfloat16().float().numpy(), "bfloat16")
        if self.precision == "int8" and isinstance(matrix, Floats):
            return to_bytes(matrix)
        return matrix
