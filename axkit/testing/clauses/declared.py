"""What a pass says of itself, before anything runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ValidationError

from axkit.contract.lending import check_words
from axkit.contract.passes import Pass, PassConfig
from axkit.ground.errors import PluginError
from axkit.testing.applied import Trial
from axkit.testing.clauses.base import clause

_HEAVY = ("torch", "transformers", "datasets", "accelerate", "sklearn", "scipy", "pandas", "matplotlib", "ray")
_IMPORT = """
import sys
sys.path[:] = {path!r}
import axkit
before = set(sys.modules)
import {module}
print("\\n".join(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""


@clause("settings", "Its Config is frozen and refuses keys that it does not know; its values are JSON.")
def settings(trial: Trial) -> Iterator[str]:
    """Frozen, closed, plain."""
    kind = trial.pass_class.Config
    if not (isinstance(kind, type) and issubclass(kind, PassConfig)):
        yield "has a Config that is no axkit.PassConfig; derive it from that"
        return
    if kind.model_config.get("extra") != "forbid" or _takes_unknown_keys(trial.config):
        yield "has a Config that takes keys it does not know; leave extra='forbid' of axkit.PassConfig as it is"
    if not kind.model_config.get("frozen"):
        yield "has a Config that can be changed; leave frozen=True of axkit.PassConfig as it is"
    try:
        json.dumps(trial.config.model_dump(mode="json"), allow_nan=False)
    except (TypeError, ValueError) as error:
        yield f"has settings that are no JSON ({error}); give plain types"


def _takes_unknown_keys(config: PassConfig) -> bool:
    try:
        type(config).model_validate({**config.model_dump(), "no_such_setting": 1})
    except ValidationError as error:
        return not any(fault["type"] == "extra_forbidden" for fault in error.errors())
    return True


@clause("words", "needs, requires and ends are sets of words; needs_of asks for nothing that needs has not.")
def words(trial: Trial) -> Iterator[str]:
    """Sets of strings, and known ones where they are lent."""
    runner = trial.runner()
    wanted = runner.needs_of(trial.config)
    for name, value in (("needs", runner.needs), ("requires", runner.requires), ("ends", runner.ends)):
        if not isinstance(value, frozenset | set) or not all(isinstance(one, str) for one in value):
            yield f"has {name} that are no set of words ({value!r}); write frozenset({{...}})"
            return
    try:
        check_words("the pass", runner.needs | wanted)
    except PluginError as error:
        yield str(error).removeprefix("the pass ")
    if set(wanted) - set(runner.needs):
        yield f"asks in needs_of for '{min(set(wanted) - set(runner.needs))}', which needs has not; name it in both"
    own = runner.holds_budget
    if own is not None and own not in trial.pass_class.Config.model_fields:
        yield f"has holds_budget = '{own}', which is no setting of its Config; name one"


@clause("light", "Its module imports neither torch nor another heavy package: those are imported when it is applied.")
def light(trial: Trial) -> Iterator[str]:
    """By modules and not by seconds; asked of a process of its own, once for each module."""
    heavy = _brought_by(trial.pass_class.__module__)
    if heavy:
        yield (
            f"imports {' and '.join(heavy)} as soon as its module {trial.pass_class.__module__} is imported, which "
            f"every listing and plan waits for; import them in apply and restore, or in a module that those import"
        )


@cache
def _brought_by(module: str) -> tuple[str, ...]:
    """The heavy packages that importing a module brings; none where no other process can import it, as in a test."""
    if module == "__main__" or module.rpartition(".")[2].startswith(("test_", "conftest")):
        return ()
    asked = _IMPORT.format(path=[os.path.abspath(one) for one in sys.path], module=module)
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False)
    brought = done.stdout.split()
    return tuple(name for name in _HEAVY if name in brought)


def class_of(found: Any) -> type[Pass[Any]]:
    """The class of a pass that was given as a class or as an instance.

    Raises:
        TypeError: it is neither.
    """
    pass_class = found if isinstance(found, type) else type(found)
    if not issubclass(pass_class, Pass):
        raise TypeError(f"{found!r:.80} is no pass: give a subclass of axkit.Pass")
    return pass_class


DECLARED = (settings, words, light)
