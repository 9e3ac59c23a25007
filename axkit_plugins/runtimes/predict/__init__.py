"""The script in an exported folder that asks its model without axkit: what it is given, how it is opened, what is said.

Each part is a module of its own here, so that it is checked like all else; a folder gets those that it needs as one.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

_HERE = "axkit_plugins.runtimes.predict."
_ASKS = {"ForImageClassification": "images", "ForQuestionAnswering": "questions", "ForTokenClassification": "tags"}


def script(runtime: str, architecture: str) -> str:
    """The text of ``predict.py``.

    Args:
        runtime: ``onnxruntime`` or ``openvino``.
        architecture: class of the model, whose end says what it is asked; a whole text where it is none of the above.
    """
    asks = next((name for end, name in _ASKS.items() if architecture.endswith(end)), "texts")
    imports: set[str] = set()
    parts: dict[str, str] = {}
    _collect(asks, runtime, imports, parts)
    in_order = sorted(imports, key=lambda line: (line.startswith("from"), line))
    ours, others = ([one for one in in_order if _is_pythons(one) == is_its] for is_its in (True, False))
    top = [_read(asks).partition("\n")[0], "\n".join(ours), "\n".join(others)]
    return "\n\n\n".join(["\n\n".join(top), *parts.values()]) + "\n"


def _is_pythons(line: str) -> bool:
    return line.split()[1].partition(".")[0] in sys.stdlib_module_names


def _collect(name: str, runtime: str, imports: set[str], parts: dict[str, str]) -> None:
    """The code of a part, behind the parts that it imports, and what it imports from elsewhere."""
    text = _read(name)
    nodes = [one for one in ast.parse(text).body if isinstance(one, ast.Import | ast.ImportFrom)]
    for one in nodes:
        module = str(getattr(one, "module", ""))
        if module.startswith(_HERE):
            part = module.removeprefix(_HERE)
            _collect(f"in_{runtime}" if part == "in_onnxruntime" else part, runtime, imports, parts)
        else:
            imports.add(ast.unparse(one))
    parts.setdefault(name, "\n".join(text.split("\n")[nodes[-1].end_lineno :]).strip())


def _read(name: str) -> str:
    return (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
