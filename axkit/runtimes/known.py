"""Runtimes by name: torch is built in, others are entry points; each is held to what a body has to keep."""

from __future__ import annotations

import json
from pathlib import Path

from axkit.contract.body import METHODS, Body
from axkit.contract.manifest import TORCH, Manifest
from axkit.ground import registry
from axkit.ground.errors import AxkitError, CheckpointError, PluginError, shown
from axkit.runtimes.torch.body import TorchBody
from axkit.runtimes.torch.view import fence


def body_class(runtime: str) -> type[Body]:
    """The class that loads a runtime's folders.

    Raises:
        PluginError: nobody registered it, or what is registered is no body of that name.
    """
    if runtime == TORCH:  # built in: a folder that names no runtime loads whatever is installed
        return TorchBody
    found = registry.get(registry.RUNTIMES, runtime)
    lacking = [name for name in METHODS if not hasattr(found, name)]
    if not isinstance(found, type) or lacking or getattr(found, "runtime", None) != runtime:
        who, what = registry.entries(registry.RUNTIMES)[runtime].who, f"lacks {', '.join(lacking)}"
        raise PluginError(
            f"{who} is {shown(repr(found))}, which is no body: it {what if lacking else 'has another runtime'}; mend "
            f"that package (docs/write-a-runtime.md)"
        )
    return found


def keeps_model(body: Body) -> bool:
    """Whether what it writes holds a transformers model's own files, though it is no torch body."""
    return body.runtime != TORCH and getattr(body, "keeps_model", False) is True


def save_body(body: Body, folder: Path, manifest: Manifest) -> None:
    """Let a body write its files, and config.json where it writes none.

    Raises:
        PluginError: what it lists is not what it wrote, or is no file of the folder.
    """
    before = {path.name for path in folder.iterdir()}
    listed = {Path(path) for path in body.save(folder, manifest)}
    who = f"the body of the runtime '{shown(body.runtime)}'"
    for path in sorted(listed):
        if path.parent.resolve() != folder.resolve() or not path.is_file() or path.is_symlink():
            raise PluginError(f"{who} lists {shown(path)}, which is no file in {folder}; mend its save")
    unlisted = sorted({path.name for path in folder.iterdir()} - before - {path.name for path in listed})
    if unlisted:
        raise PluginError(f"{who} wrote '{shown(unlisted[0])}' and does not list it; mend its save")
    if not (folder / "config.json").exists():
        text = json.dumps(dict(body.config), indent=2, allow_nan=False, default=str)
        (folder / "config.json").write_text(text, encoding="utf-8")


def load_body(folder: Path, manifest: Manifest) -> Body:
    """The body of a folder whose hashes were checked.

    Raises:
        CheckpointError: its runtime is not installed, or says no to the folder.
    """
    if manifest.runtime == TORCH:
        return TorchBody.load(folder, manifest)
    try:
        made = body_class(manifest.runtime)
    except AxkitError as error:
        raise CheckpointError(f"{folder} needs the runtime '{shown(manifest.runtime)}': {error}") from error
    with fence(folder, f"does not load in the runtime '{shown(manifest.runtime)}'", "copy the whole folder again"):
        return made.load(folder, manifest)
