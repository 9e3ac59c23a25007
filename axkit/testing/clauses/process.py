"""What a pass may not do to the process, the network and the disk."""

from __future__ import annotations

from collections.abc import Iterator

from axkit.ground.errors import shown
from axkit.testing import prints
from axkit.testing.applied import SEED, Applied, Twice
from axkit.testing.clauses.base import clause

_TOOLS_SEED = 7


@clause("network", "It reaches for no other machine.")
def network(twice: Twice) -> Iterator[str]:
    """Asked for any host but this one."""
    for host in twice.first.heard.network[:1]:
        yield f"reached for the network ({shown(host)}); name models in models(config), and read rows from tools"


@clause("outside", "It writes nothing outside of tools.scratch that stays.")
def outside(twice: Twice) -> Iterator[str]:
    """Files that are there still, and not those of a package that is used for the first time."""
    applied = twice.again or twice.first
    for path in applied.strays[:1] if twice.again or applied.error else ():
        yield f"left {shown(path.name)} outside of its scratch folder; write below tools.scratch, or remove it again"


@clause("switches", "It leaves the switches of the process as they were: working directory, torch's dtype and threads.")
def switches(twice: Twice) -> Iterator[str]:
    """The engine looks at the same."""
    yield from twice.first.switches


@clause("environment", "It leaves the environment of the process as it was.")
def environment(twice: Twice) -> Iterator[str]:
    """Looked at in the second apply: what a package sets as it is imported is not the pass's doing."""
    for applied in _second(twice):
        before, after = (look["environment"] for look in applied.process)
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield f"left another {shown(name)} in os.environ; put back what you change of the process"
                return


@clause("warnings", "It leaves the filters of warnings as they were.")
def filters(twice: Twice) -> Iterator[str]:
    """Likewise in the second apply."""
    for applied in _second(twice):
        if "warnings" in applied.changed("process"):
            yield "left other filters of warnings; change them within warnings.catch_warnings()"


@clause("patches", "It replaces no function of torch, of Python or of the model's classes.")
def patches(twice: Twice) -> Iterator[str]:
    """What other models and threads call, too."""
    for applied in _second(twice):
        for name in prints.replaced(*applied.process)[:1]:
            yield f"left another function in the place of {name}, for the whole process; change the modules you own"


@clause("dice", "It draws from no generator of the process that nobody seeded: Python's random, numpy.random.")
def dice(twice: Twice) -> Iterator[str]:
    """What it draws there is another thing in every run."""
    if twice.again is None:
        return
    for name in twice.first.changed("dice"):
        if twice.again.dice[1][name] != twice.first.dice[1][name]:
            yield f"draws from the unseeded {_DICE[name]}; draw from a generator of your own, seeded with tools.seed"


@clause("reseeds", "It seeds no generator of the process with a number of its own.")
def reseeds(twice: Twice) -> Iterator[str]:
    """Others draw from them after it."""
    if twice.again is None:
        return
    for name in twice.first.changed("dice"):
        if twice.again.dice[1][name] == twice.first.dice[1][name]:
            yield f"seeds {_DICE[name]} for the whole process; draw from a generator of your own, of tools.seed"
    if twice.first.torch_seed not in (SEED, _TOOLS_SEED):
        yield "seeds torch with a number of its own; use torch.Generator().manual_seed(tools.seed)"


_DICE = {"random": "random of Python", "numpy": "numpy.random"}


@clause("threads", "It leaves no thread running.")
def threads(twice: Twice) -> Iterator[str]:
    """Which would be timed with the next stage."""
    for applied in _second(twice):
        more = sorted(applied.process[1]["threads"] - applied.process[0]["threads"])
        for name in more[:1]:
            yield f"left a thread running ({shown(name)}); join what you start"


@clause("files", "It closes the files that it opens.")
def files(twice: Twice) -> Iterator[str]:
    """Regular files that are open still."""
    for applied in _second(twice):
        more = sorted(applied.process[1]["files"] - applied.process[0]["files"])
        for name in more[:1]:
            yield f"left a file open ({shown(name)}); open it in a with statement"


def _second(twice: Twice) -> Iterator[Applied]:
    if twice.again is not None:
        yield twice.again


PROCESS = (network, outside, switches, environment, filters, patches, dice, reseeds, threads, files)
