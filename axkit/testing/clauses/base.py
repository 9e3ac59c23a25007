"""What a clause is: one sentence to keep, and a function that finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

E = TypeVar("E")


class BrokenClause(AssertionError):
    """A plugin broke its contract.

    Args:
        clause: its name, as docs/conformance.md lists it.
        fault: one sentence that says what is wrong and what to mend.
    """

    def __init__(self, clause: str, fault: str) -> None:
        self.clause, self.fault = clause, fault
        super().__init__(f"{fault} (clause '{clause}')")


@dataclass(frozen=True)
class Clause(Generic[E]):
    """One sentence of the contract.

    Attributes:
        name: short and unique.
        holds: the sentence, for docs/conformance.md.
        look: evidence -> what breaks it; each is the rest of a sentence that begins with the plugin ("the pass").
    """

    name: str
    holds: str
    look: Callable[[E], Iterator[str]]


def clause(name: str, holds: str) -> Callable[[Callable[[E], Iterator[str]]], Clause[E]]:
    """Make a clause of the function that follows."""
    return lambda look: Clause(name, holds, look)


def hold_to(clauses: Iterable[Clause[E]], evidence: E, who: str = "the pass") -> None:
    """Refuse the first fault.

    Raises:
        BrokenClause: an AssertionError that names the clause.
    """
    for one in clauses:
        for fault in one.look(evidence):
            raise BrokenClause(one.name, f"{who} {fault}")
