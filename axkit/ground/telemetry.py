"""Nothing is told to anybody: what the packages under axkit count and send is off."""

from __future__ import annotations

import os
import sys

_OFF = {
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets asks a server for each data file that it reads, local ones too
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
}
_READ_ALREADY = (  # the same, of packages that have read their environment: module, attribute, variable, value
    ("datasets.config", "HF_UPDATE_DOWNLOAD_COUNTS", "HF_UPDATE_DOWNLOAD_COUNTS", False),
    ("huggingface_hub.constants", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", True),
)


def switch_off() -> None:
    """Switch it off for this process and those that it starts; who has set a variable himself keeps it."""
    chosen = set(os.environ)
    for module, attribute, variable, off in _READ_ALREADY:
        if module in sys.modules and variable not in chosen:
            setattr(sys.modules[module], attribute, off)
    for variable, value in _OFF.items():
        os.environ.setdefault(variable, value)
