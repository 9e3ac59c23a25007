"""What a pass wrote into its state, read back. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from axkit.ground.errors import CheckpointError


def names_in(state: Mapping[str, object], key: str) -> list[str]:
    """The names of modules that a state lists; none where it has no such list, as one of an earlier version may not.

    Raises:
        CheckpointError: what stands there is no list of names.
    """
    found = state.get(key, [])
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) for name in found):
        raise CheckpointError(f"the checkpoint's trail is damaged: '{key}' lists no names; copy the whole folder again")
    return list(found)
