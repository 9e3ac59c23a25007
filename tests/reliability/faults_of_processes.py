"""Runs that are killed, stopped, doubled or overtaken."""

from __future__ import annotations

import random
import signal
import time

from reliability.known import Known
from reliability.lab import Result, one_sentence


def killed(known: Known, draw: random.Random) -> str:
    """At a random moment, sometimes twice."""
    out = known.out()
    for _ in range(draw.choice((1, 1, 2))):
        code = known.place.start(out).tell(signal.SIGKILL, draw.random() * known.seconds)
        if code == 0:  # it was faster this time
            break
        assert code == -signal.SIGKILL, code
    known.finishes(out, "--force")
    return "the same bytes, no doubled line"


def two_at_once(known: Known, draw: random.Random) -> str:
    """Of the same recipe, into the same folder."""
    out = known.out()
    first = known.place.start(out)
    time.sleep(draw.random() * known.seconds / 2)
    second = known.place.start(out)
    codes, said = (first.end(), second.end()), (first.said, second.said)
    assert sorted(codes) == [0, 2], said
    late = said[codes.index(2)]
    assert "exists already" in one_sentence(late), late
    known.same(out)
    return "the second waits, is told for whom, and finds the folder there"


def signalled(known: Known, draw: random.Random) -> str:
    """At a random moment."""
    out, number = known.out(), draw.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    started = known.place.start(out)
    code = started.tell(number, known.seconds * (0.1 + 0.7 * draw.random()))
    if code:
        assert code == 128 + number, f"exit code {code} after {number!r}:\n{started.said[-2000:]}"
        assert "interrupted" in one_sentence(started.said)
    known.finishes(out, "--force")
    return "exit codes 143, 130, 129; the next run goes on to the same bytes"


def twice(known: Known, draw: random.Random) -> str:
    """With nothing kept in between."""
    out = known.out()
    known.finishes(out)
    known.finishes(out, "--force", "--fresh")
    return "the same bytes"


def appears(known: Known, draw: random.Random) -> str:
    """Somebody else's."""
    out = known.out()
    started, folder = known.place.start(out), known.place.folder / out / known.place.name
    time.sleep(known.seconds / 4)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine").write_text("nobody's business", encoding="utf-8")
    code = started.end()
    assert code == 0 or "exists already" in one_sentence(started.said), started.said
    assert [path.name for path in folder.iterdir()] == ["mine"]
    if code == 0:
        differs = Result.of(folder.with_name(f"{folder.name}-2")).differs(known.result)
        assert not differs, differs
    return "it is left alone; the result stands beside it"
