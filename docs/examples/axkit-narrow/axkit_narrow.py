"""A whole plugin: one pass, one entry point."""

from pydantic import Field

from axkit import Pass, PassConfig, Result


class NarrowConfig(PassConfig):
    """Settings of ``narrow``."""

    keep: float = Field(gt=0, le=1, description="Share of feed-forward neurons kept in each layer.")


class Narrow(Pass[NarrowConfig]):
    """Keep the feed-forward neurons with the largest weight norm."""

    Config = NarrowConfig
    purpose = "fewer neurons, chosen by their weights alone"

    def apply(self, subject, config, tools):
        """Carve every layer that still has a feed-forward block."""
        structure = subject.structure
        for layer in subject.layers:  # physical layers; speaks roles, not paths
            if structure.layers[layer.index].ffn:
                norms = layer.neuron_weights().norm(dim=1)  # (neurons left,)
                kept = norms.topk(round(config.keep * len(norms))).indices
                structure = structure.keep_neurons(layer.index, kept)
        changed = structure != subject.structure
        subject.carve(structure)
        return Result(note="" if changed else "Every neuron was kept: nothing changed.")
