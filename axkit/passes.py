"""Moved: what an author of a pass imports is offered by ``axkit`` itself."""

import warnings

from axkit.contract.described import *  # noqa: F403
from axkit.contract.passes import *  # noqa: F403
from axkit.contract.result import *  # noqa: F403
from axkit.contract.tools import *  # noqa: F403
from axkit.contract.traits import *  # noqa: F403

warnings.warn("axkit.passes has moved: import the same names from axkit", DeprecationWarning, stacklevel=2)
