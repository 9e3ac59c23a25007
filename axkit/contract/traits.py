"""Traits of a subject: what passes require of it and take away. Imports nothing."""

from __future__ import annotations

Trait = str
"""A trait by its name; a third party may name its own."""
TORCH_MODULE: Trait = "torch_module"
"""The subject is an nn.Module, not a runtime session."""
FLOAT_WEIGHTS: Trait = "float_weights"
"""Linear layers hold floating-point weights that can be sliced."""
DIFFERENTIABLE: Trait = "differentiable"
"""Gradients reach the weights."""
FULL_PRECISION: Trait = "full_precision"
"""Weights are float32: training steps and 8-bit scales are not rounded away."""
SOFT_ATTENTION: Trait = "soft_attention"
"""No layer has been switched to hard attention yet."""
PLAIN_WEIGHTS: Trait = "plain_weights"
"""Floats, or integers with scales of rows or vectors: what other runtimes know."""
TEACHER_TOKENS: Trait = "teacher_tokens"
"""The dense model takes the same token ids; what needs a teacher requires it."""
OF_THE_RUN = frozenset({TEACHER_TOKENS})  # not the model's: the model that a run starts from takes its own ids
INITIAL_TRAITS = frozenset(
    {TORCH_MODULE, FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION, SOFT_ATTENTION, PLAIN_WEIGHTS, TEACHER_TOKENS}
)
