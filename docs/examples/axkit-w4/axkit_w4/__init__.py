"""``w4``: linear weights in 4 bits, one scale per output channel. Imports no torch until it runs."""

from pydantic import Field

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, PLAIN_WEIGHTS, TORCH_MODULE, Pass, PassConfig, Result
from axkit.kit import SKIP_HELP, SkipRole


class W4Config(PassConfig):
    """Settings of ``w4``."""

    rows: int = Field(64, ge=0, description="Training rows whose inputs weigh the errors; 0 weighs all inputs alike.")
    skip: list[SkipRole] = Field(default=["head"], description=SKIP_HELP)


class W4(Pass[W4Config]):
    """Symmetric 4-bit weights; of some scales each channel gets the one that changes its output least."""

    Config = W4Config
    purpose = "an example of a quantizer made with axkit.kit"
    needs = frozenset({"train"})
    requires = frozenset({TORCH_MODULE, FLOAT_WEIGHTS, FULL_PRECISION})
    ends = frozenset({FLOAT_WEIGHTS, DIFFERENTIABLE, PLAIN_WEIGHTS})

    def apply(self, subject, config, tools):
        """Replace the linear layers in place."""
        from axkit.kit import linear_names, mean_squares, stored_bits, weight_bytes, weight_matrix
        from axkit_w4.layers import codes_and_scale, put_empty

        model, names = subject.module.eval(), linear_names(subject, config.skip)
        before, squares = weight_bytes(model), mean_squares(model, names, tools.train, config.rows)
        made = {
            name: codes_and_scale(weight_matrix(model.get_submodule(name)), squares.get(name))
            for name in tools.progress.track(names, "scales")
        }
        put_empty(model, names)
        for name, numbers in made.items():
            model.get_submodule(name).fill(*numbers)
        bits = sum(stored_bits(model.get_submodule(name)) for name in names)
        facts = {
            "weights_before_bytes": float(before),
            "weights_after_bytes": float(weight_bytes(model)),
            "linear_layers": float(len(names)),
            "effective_bits_per_linear_weight": bits / max(1, sum(codes.numel() for codes, _ in made.values())),
        }
        if not names:
            return Result(facts=facts, note="No linear layer is left to take: nothing changed.")
        note = "Weights are expanded at each call: smaller, not faster."
        return Result(state={"linear": names}, facts=facts, note=note)

    def restore(self, subject, config, state):
        """Put empty 4-bit layers where the weights will come."""
        from axkit_w4.layers import put_empty

        put_empty(subject.module, state["linear"])
