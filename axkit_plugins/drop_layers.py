"""``drop_layers``: remove whole layers, LayerNorms and all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from axkit import Gain, NotApplicable, Pass, PassConfig, Result, Tools

if TYPE_CHECKING:
    from axkit import Family, Subject, Workload


class DropLayersConfig(PassConfig):
    """Settings of ``drop_layers``: one of the two lists."""

    keep: list[int] | None = Field(
        None, min_length=1, description="Layers to keep, counted from 0 in the dense model; the others go."
    )
    drop: list[int] | None = Field(None, min_length=1, description="Layers to remove, counted likewise.")

    @model_validator(mode="after")
    def _one_of_two(self) -> DropLayersConfig:
        if (self.keep is None) == (self.drop is None):
            raise ValueError("give either 'keep' or 'drop', a list of layers such as [0, 2, 4]")
        return self


class DropLayers(Pass[DropLayersConfig]):
    """Remove whole layers; what is left is the dense model with fewer layers. Train afterwards, or distill."""

    Config = DropLayersConfig
    purpose = "halving a deep model at once; the start of DistilBERT's student"
    paper = (
        "Sanh et al. 2019, DistilBERT, arXiv 1910.01108 (every other layer); "
        "Fan et al. 2019, LayerDrop, arXiv 1909.11556; Sajjad et al. 2020, arXiv 2004.03844 (which layers)"
    )

    def check(self, family: Family, config: DropLayersConfig) -> None:
        """There must be several layers."""
        if family.shared_layers:
            raise NotApplicable("all its layers are one module, which cannot be dropped; use axformer_prune")

    def foresee_gain(self, config: DropLayersConfig, work: Workload | None) -> Gain | None:
        """Exactly so many layers; a model that lacks some already may lose fewer."""
        if work is None:
            return None
        left = work.layers - len(set(config.drop)) if config.drop is not None else len(set(config.keep or ()))
        left = max(1, min(left, work.layers))
        size = 1.0 if not work.values else work.values / max(1, work.values - (work.layers - left) * work.layer_values)
        return Gain((work.layers / left, work.layers / left), (size, size), left)

    def apply(self, subject: Subject, config: DropLayersConfig, tools: Tools) -> Result:
        """Carve.

        Raises:
            NotApplicable: a layer that the model does not have, or none left.
        """
        before = subject.structure
        there = [index for index, layer in enumerate(before.layers) if layer.present]
        named = set(config.drop if config.drop is not None else config.keep or ())
        unknown = sorted(named - set(range(len(before.layers))))
        if unknown:
            raise NotApplicable(
                f"drop_layers names layer {unknown[0]}, but the dense model has layers 0 to {len(before.layers) - 1}; "
                f"name some of those"
            )
        gone = [index for index in there if (index in named) == (config.drop is not None)]
        if len(gone) == len(there):
            raise NotApplicable("drop_layers would leave no layer; keep at least one that is still there")
        structure = before
        for index in gone:
            structure = structure.without_layer(index)
        subject.carve(structure)
        facts = {"removed_layers": float(len(gone)), "layers": float(len(there) - len(gone))}
        return Result(facts=facts, note="" if gone else "Every layer named was gone already: nothing changed.")
