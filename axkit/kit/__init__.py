"""What authors of passes share, ours included: linears by role, sizes, calibration, quantizing, training, distillation.

Everything public is offered here: ``from axkit.kit import linear_names``. Nothing imports torch until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axkit.kit.by_machine import Remembered as Remembered
    from axkit.kit.by_machine import cache_folder as cache_folder
    from axkit.kit.calibrate import BLOCKS as BLOCKS
    from axkit.kit.calibrate import Calibration as Calibration
    from axkit.kit.calibrate import Seen as Seen
    from axkit.kit.calibrate import What as What
    from axkit.kit.calibrate import part_width as part_width
    from axkit.kit.compare import divergence as divergence
    from axkit.kit.compare import divergence_key as divergence_key
    from axkit.kit.eight_bits import fake_quantize as fake_quantize
    from axkit.kit.eight_bits import input_grid as input_grid
    from axkit.kit.eight_bits import on_grid as on_grid
    from axkit.kit.eight_bits import to_int8 as to_int8
    from axkit.kit.extras import refuse_missing as refuse_missing
    from axkit.kit.inputs import Range as Range
    from axkit.kit.inputs import input_ranges as input_ranges
    from axkit.kit.inputs import learned_ranges as learned_ranges
    from axkit.kit.inputs import mean_squares as mean_squares
    from axkit.kit.inputs import ranges_of_state as ranges_of_state
    from axkit.kit.inputs import run_rows as run_rows
    from axkit.kit.inputs import state_of_ranges as state_of_ranges
    from axkit.kit.inputs import watched_inputs as watched_inputs
    from axkit.kit.int8_choosing import ProductCase as ProductCase
    from axkit.kit.int8_choosing import fastest_of as fastest_of
    from axkit.kit.int8_choosing import kernel_times as kernel_times
    from axkit.kit.int8_choosing import rows_in_words as rows_in_words
    from axkit.kit.int8_choosing import time_in_turn as time_in_turn
    from axkit.kit.int8_kernels import IntegerKernels as IntegerKernels
    from axkit.kit.int8_products import LARGEST_INPUT as LARGEST_INPUT
    from axkit.kit.int8_products import SIXTEEN_BITS as SIXTEEN_BITS
    from axkit.kit.int8_products import IntegerProduct as IntegerProduct
    from axkit.kit.int8_products import input_steps as input_steps
    from axkit.kit.int8_products import kernels_here as kernels_here
    from axkit.kit.least_squares import Moments as Moments
    from axkit.kit.least_squares import Projection as Projection
    from axkit.kit.least_squares import Repair as Repair
    from axkit.kit.least_squares import Spread as Spread
    from axkit.kit.linears import embedding_at as embedding_at
    from axkit.kit.linears import embedding_names as embedding_names
    from axkit.kit.linears import linear_at as linear_at
    from axkit.kit.linears import linear_names as linear_names
    from axkit.kit.linears import linear_roles as linear_roles
    from axkit.kit.linears import replace_module as replace_module
    from axkit.kit.linears import weight_matrix as weight_matrix
    from axkit.kit.mend import cut_and_mend as cut_and_mend
    from axkit.kit.mend import cut_to as cut_to
    from axkit.kit.mend import mend_model as mend_model
    from axkit.kit.mend import removal_costs as removal_costs
    from axkit.kit.mend_cost import problem_bytes as problem_bytes
    from axkit.kit.mend_cost import refit_most as refit_most
    from axkit.kit.onednn import Fused as Fused
    from axkit.kit.onednn import prepacked as prepacked
    from axkit.kit.packing import pack_nibbles as pack_nibbles
    from axkit.kit.packing import unpack_nibbles as unpack_nibbles
    from axkit.kit.plain import Plain as Plain
    from axkit.kit.precision import convert as convert
    from axkit.kit.roles import SKIP_HELP as SKIP_HELP
    from axkit.kit.roles import SkipRole as SkipRole
    from axkit.kit.sizes import stored_bits as stored_bits
    from axkit.kit.sizes import weight_bytes as weight_bytes
    from axkit.kit.state import names_in as names_in
    from axkit.kit.teacher import teacher_of as teacher_of
    from axkit.kit.train.cost import training_effort as training_effort
    from axkit.kit.train.distillation import distill_model as distill_model
    from axkit.kit.train.layer_map import layer_map as layer_map
    from axkit.kit.train.loop import start_from_pretrained as start_from_pretrained
    from axkit.kit.train.loop import train_model as train_model
    from axkit.kit.train.settings import DistillationConfig as DistillationConfig
    from axkit.kit.train.settings import TrainingConfig as TrainingConfig
    from axkit.kit.train.watching import Pairs as Pairs

_OFFERED = {
    "by_machine": ("Remembered", "cache_folder"),
    "calibrate": ("BLOCKS", "Calibration", "Seen", "What", "part_width"),
    "compare": ("divergence", "divergence_key"),
    "eight_bits": ("fake_quantize", "input_grid", "on_grid", "to_int8"),
    "extras": ("refuse_missing",),
    "int8_choosing": ("ProductCase", "fastest_of", "kernel_times", "rows_in_words", "time_in_turn"),
    "int8_kernels": ("IntegerKernels",),
    "int8_products": ("LARGEST_INPUT", "SIXTEEN_BITS", "IntegerProduct", "input_steps", "kernels_here"),
    "least_squares": ("Moments", "Projection", "Repair", "Spread"),
    "linears": (
        "embedding_at",
        "embedding_names",
        "linear_at",
        "linear_names",
        "linear_roles",
        "replace_module",
        "weight_matrix",
    ),
    "mend": ("cut_and_mend", "cut_to", "mend_model", "removal_costs"),
    "mend_cost": ("problem_bytes", "refit_most"),
    "onednn": ("Fused", "prepacked"),
    "packing": ("pack_nibbles", "unpack_nibbles"),
    "plain": ("Plain",),
    "precision": ("convert",),
    "inputs": (
        "Range",
        "input_ranges",
        "learned_ranges",
        "mean_squares",
        "ranges_of_state",
        "run_rows",
        "state_of_ranges",
        "watched_inputs",
    ),
    "roles": ("SKIP_HELP", "SkipRole"),
    "sizes": ("stored_bits", "weight_bytes"),
    "state": ("names_in",),
    "teacher": ("teacher_of",),
    "train.cost": ("training_effort",),
    "train.distillation": ("distill_model",),
    "train.layer_map": ("layer_map",),
    "train.loop": ("start_from_pretrained", "train_model"),
    "train.settings": ("DistillationConfig", "TrainingConfig"),
    "train.watching": ("Pairs",),
}
_WHERE = {name: module for module, names in _OFFERED.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'axkit.kit' has no attribute '{name}'")
    return getattr(import_module(f"axkit.kit.{_WHERE[name]}"), name)
