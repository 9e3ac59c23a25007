"""Names for the arrays that a search decides by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[Any]  # indices of rows of the split, or one bool for each of them
