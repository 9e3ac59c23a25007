"""Keep transformers from printing load reports and bars; what matters of them axkit says itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Errors only, and no bars, while the block runs; the caller's settings come back."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def quiet_quantizers() -> None:
    """Errors only, from here on, of packages that would log a line per layer and call (bitsandbytes' 8 bit)."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
