"""The script in an exported folder that asks its model without axkit: how a runtime is opened, and what it is given.

Each part is a module of its own here, so that it is checked like all else; a folder gets the two that it needs as one.
"""

from __future__ import annotations

from pathlib import Path

_OPENED = "from axkit_plugins.runtimes.predict.in_onnxruntime import opened\n"  # where the runtime's part is put


def script(runtime: str, images: bool) -> str:
    """The text of ``predict.py``.

    Args:
        runtime: ``onnxruntime`` or ``openvino``.
        images: that the model reads them; else it reads texts.
    """
    here = Path(__file__).parent
    asks, opens = (
        (here / f"{one}.py").read_text(encoding="utf-8") for one in ("images" if images else "texts", f"in_{runtime}")
    )
    _, _, opens = opens.partition('"""\n\n')  # without what it says of itself
    imports, _, opens = opens.partition("\n\n\n")
    return asks.replace(_OPENED, f"{imports}\n\n\n{opens.strip()}\n\n")
