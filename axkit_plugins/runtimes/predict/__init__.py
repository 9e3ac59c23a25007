"""The script in an exported folder that asks its model without axkit: what it is given, how it is opened, what is said.

Each part is a module of its own here, so that it is checked like all else; a folder gets those that it needs as one.
"""

from __future__ import annotations

from pathlib import Path

_PARTS = """\
from axkit_plugins.runtimes.predict.in_onnxruntime import opened
from axkit_plugins.runtimes.predict.labels import told
"""  # where they are put


def script(runtime: str, images: bool) -> str:
    """The text of ``predict.py``.

    Args:
        runtime: ``onnxruntime`` or ``openvino``.
        images: that the model reads them; else it reads texts.
    """
    asks = _read("images" if images else "texts")
    parts = [_read(name).partition('"""\n\n')[2].partition("\n\n\n") for name in (f"in_{runtime}", "labels")]
    imports = [line for one, _, _ in parts for line in one.split("\n") if line and line not in asks.split("\n")]
    return asks.replace(_PARTS, "\n\n\n".join(["\n".join(imports), *(part.strip() for _, _, part in parts)]) + "\n\n")


def _read(name: str) -> str:
    return (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
