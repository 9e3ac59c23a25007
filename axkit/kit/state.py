"""What a pass wrote into its state, read back. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from axkit.ground.errors import CheckpointError


def names_in(state: Mapping[str, object], key: str, optional: bool = False) -> list[str]:
    """The names of modules that a state lists.

    Args:
        state: of a pass.
        key: of the list.
        optional: there may be no such list, as in a folder of an earlier version; then there are none.

    Raises:
        CheckpointError: what stands there is no list of names.
    """
    found = state.get(key, [] if optional else None)
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) for name in found):
        raise CheckpointError(f"the checkpoint's trail is damaged: '{key}' lists no names; copy the whole folder again")
    return list(found)
