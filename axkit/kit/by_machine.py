"""What was measured on this kind of machine, kept for later processes; made in ``axkit.ground``."""

from axkit.ground.by_machine import Remembered as Remembered
from axkit.ground.cache import cache_folder as cache_folder
