"""How much each head and neuron matters, by torch-pruning's dependency graph and importance criteria."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
import torch_pruning
from torch import nn

from axkit import NotApplicable
from axkit_plugins.structured.parts import Floats, Scores, projections_apart

if TYPE_CHECKING:
    from axkit import Layer, Subject, Tools
    from axkit_plugins.structured.settings import StructuredConfig


def score(subject: Subject, config: StructuredConfig, tools: Tools) -> dict[int, Scores]:
    """Layer index -> importance of its heads and neurons, as far as they may go; the subject is left alone.

    Raises:
        NotApplicable: torch-pruning cannot trace this model, or couples other layers than the family file says.
    """
    probe = subject.copy()
    model = probe.module.eval().float().to(tools.device.name)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    graph = _graph(model, tools)
    criterion = _criterion(model, config, tools)
    structure, hidden = probe.structure, probe.family.size(model.config, "hidden")
    head_size = hidden // structure.n_heads
    asked = config.parts or ("heads", "neurons")  # a layer is worth what is in it
    found = {}
    for layer in probe.layers:
        left = structure.layers[layer.index]
        heads = neurons = np.zeros(0)
        if left.heads and "heads" in asked:
            channels = _channels(
                graph, criterion, layer, "value", [*projections_apart(probe, layer), layer.attention_out]
            )
            heads = channels.reshape(len(left.heads), head_size).sum(1)
        if left.neurons and "neurons" in asked:
            neurons = _channels(graph, criterion, layer, "ffn_in", [layer.ffn_in, layer.ffn_out])
        found[layer.index] = Scores(heads, neurons)
    return found


def _graph(model: nn.Module, tools: Tools) -> torch_pruning.DependencyGraph:
    """torch-pruning's dependency graph, traced on the shortest row (there hard attention is the ordinary one)."""
    shortest = int(tools.train.lengths.argmin())
    inputs = tools.train.batch([shortest]).on(tools.device).inputs
    try:
        return torch_pruning.DependencyGraph().build_dependency(
            model,
            example_inputs=dict(inputs),
            output_transform=lambda output: tools.train.kind.logits(output).sum(),
            verbose=False,
        )
    except (TypeError, ValueError, AttributeError, RuntimeError, KeyError, IndexError) as error:
        raise NotApplicable(
            f"torch-pruning cannot trace {type(model).__name__} ({error}); use axformer_prune or drop_layers"
        ) from error


def _channels(
    graph: torch_pruning.DependencyGraph,
    criterion: torch_pruning.importance.Importance,
    layer: Layer,
    root: Literal["value", "ffn_in"],
    expected: Sequence[nn.Module],
) -> Floats:
    """Importance of each output channel of ``root``, with all that is coupled to it: (channels,)."""
    module = cast(nn.Linear, getattr(layer, root))
    group = graph.get_pruning_group(module, torch_pruning.prune_linear_out_channels, list(range(module.out_features)))
    coupled = {dependency.layer for dependency, _ in group if isinstance(dependency.layer, nn.Linear)}
    if coupled != set(expected):
        raise NotApplicable(
            f"torch-pruning couples other modules to {layer.path(root)} of layer {layer.index} than the family file "
            f"does; use axformer_prune or drop_layers"
        )
    return np.asarray(criterion(group).cpu().double().numpy())


def _criterion(model: nn.Module, config: StructuredConfig, tools: Tools) -> torch_pruning.importance.Importance:
    """The importance, with the gradients it needs already in ``.grad``."""
    options = {"group_reduction": "sum", "normalizer": None}
    if config.importance == "magnitude":
        return torch_pruning.importance.GroupMagnitudeImportance(p=2, **options)
    rows = np.random.default_rng(tools.seed).permutation(len(tools.train))[: config.rows].tolist()
    if config.importance == "taylor":
        _gradients(model, tools, rows, 32)
        return torch_pruning.importance.GroupTaylorImportance(**options)
    # GroupHessianImportance.accumulate_grad of torch-pruning 1.6 keeps the last row's gradient alone, so the mean of
    # the squares is taken here; the criterion reads it from .grad.
    total = {parameter: torch.zeros_like(parameter) for parameter in model.parameters()}
    for row in tools.progress.track(rows, "Fisher information"):
        _gradients(model, tools, [row], 1, quiet=True)
        for parameter, squares in total.items():
            if parameter.grad is not None:
                squares += parameter.grad.square() / len(rows)
    for parameter, squares in total.items():
        parameter.grad = squares
    return torch_pruning.importance.GroupHessianImportance(**options)


def _gradients(model: nn.Module, tools: Tools, rows: Sequence[int], size: int, quiet: bool = False) -> None:
    """Put the gradient of the mean loss over some training rows into ``.grad``."""
    model.zero_grad(set_to_none=True)
    starts = range(0, len(rows), size)
    for start in starts if quiet else tools.progress.track(starts, "gradients"):
        batch = tools.train.batch(rows[start : start + size])
        logits = tools.train.kind.logits(model(**batch.on(tools.device).inputs)).cpu()
        losses = tools.train.kind.losses(logits, batch.labels)
        torch.autograd.backward(losses.sum() / len(rows))
