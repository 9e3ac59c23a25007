"""Events of the YAML parser to plain values and lines; the bounds are held while they come."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from axkit.ground.errors import RecipeError, shown
from axkit.ground.plain.files import bound
from axkit.ground.plain.scalars import PREFIX, Unfit, Value, unknown_tag, value_of

Location = tuple[str | int, ...]
Refuse = Callable[[int, str], NoReturn]  # line, and why

MOST_VALUES = 10_000  # with aliases written out
DEEPEST = 100
LONGEST_WORD = 1000  # of a tag, an anchor or a key
_HALVES = re.compile("[\0\ud800-\udfff]")
_NO_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class _Node:
    """A value with the line that it starts in, and what it comes to once aliases are written out."""

    line: int
    value: Value | list[_Node] | dict[str, tuple[int, _Node]]
    values: int = 1
    depth: int = 1


@dataclass
class _Open:
    """A mapping or list whose end has not come."""

    line: int
    anchor: str | None
    items: list[_Node] | None = None  # of a list
    entries: dict[str, tuple[int, _Node]] = field(default_factory=dict)
    merged: list[_Node] | None = None
    key: tuple[str, int] | None = None
    merges: bool = False  # the key at hand is <<


def parse(text: str, label: str) -> tuple[Any, dict[Location, int]]:
    """Plain values, and the 1-based line of every key and item.

    Args:
        text: one YAML document; empty text is None.
        label: names the text in messages.

    Raises:
        RecipeError: no YAML, or more than plain values within the bounds.
    """
    bound(len(text), label)
    odd = _NO_TEXT.search(text)
    if odd is not None:
        line = text.count("\n", 0, odd.start()) + 1
        raise RecipeError(f"{label}, line {line}: character {_code(odd[0])} is no text; remove it")
    tag = re.search(rf"!\S{{{LONGEST_WORD}}}", text)
    if tag is not None:  # the scanner takes their square in time
        raise RecipeError(f"{label}, line {text.count(chr(10), 0, tag.start()) + 1}: no tag is that long; leave it off")
    root = _Builder(label).build(_events(text, label))
    lines: dict[Location, int] = {}
    return (None if root is None else _plain(root, (), lines)), lines


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _events(text: str, label: str) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        yield from YAML(typ="safe", pure=True).parse(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        problem = str(error.problem or error.context or "not valid YAML").splitlines()[0]
        raise RecipeError(f"{label}{where}: {problem}; mend the YAML there") from error
    except RecipeError:
        raise
    except Exception as error:  # the parser raises plain errors for some broken inputs
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise RecipeError(f"{label}: not valid YAML ({said}); mend it") from error


def _whole(value: str, line: int, refuse: Refuse) -> str:
    """What the escapes of a word give: pairs of surrogates, as JSON writes them, are one character."""
    if not _HALVES.search(value):
        return value
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    bad = _HALVES.search(whole)
    if bad is not None:
        refuse(line, f"character {_code(bad[0])} is no text; remove it")
    return whole


def _take_key(top: _Open, event: Any, line: int, refuse: Refuse) -> None:
    """Open an entry of a mapping by its key."""
    plain = event.implicit[0] and event.tag is None
    top.merges = plain and event.value == "<<"
    if (top.merges and top.merged is not None) or (not top.merges and event.value in top.entries):
        first = f" (first in line {top.entries[event.value][0]})" if not top.merges else ": write <<: [*a, *b]"
        refuse(line, f"the key '{shown(event.value)}' stands twice{first}; keep one")
    if len(event.value) > LONGEST_WORD:
        refuse(line, f"the key '{shown(event.value)}' is over {LONGEST_WORD:,} characters long; shorten it")
    if not plain and event.tag not in (None, "!", f"{PREFIX}str"):
        refuse(line, f"a key is a word without a tag; leave '{shown(event.tag)}' off")
    top.key = event.value, line


def _mappings(node: _Node, line: int, refuse: Refuse) -> list[_Node]:
    """What a merge key takes: a mapping, or a list of them of which the earlier goes first."""
    found = node.value if isinstance(node.value, list) else [node]
    if not all(isinstance(one.value, dict) for one in found):
        refuse(line, "'<<' takes a mapping, such as *base, or a list of mappings; give one, or quote the key")
    return found


def _value(event: Any, line: int, refuse: Refuse) -> Value:
    try:
        return value_of(event.value, event.tag, event.implicit[0])
    except Unfit as unfit:
        refuse(line, str(unfit))


class _Anchors(dict[str, "_Node | None"]):
    """What anchors name; None where its end has not come."""

    def name(self, anchor: str | None, node: _Node | None, line: int, refuse: Refuse) -> None:
        """Note it, where there is one."""
        if anchor is None:
            return
        if len(anchor) > LONGEST_WORD:
            refuse(line, f"the anchor '&{shown(anchor)}' is over {LONGEST_WORD:,} characters long; shorten it")
        self[anchor] = node


class _Builder:
    """Events to a node, bounded; iterative, so that no input is deeper than Python's stack."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.open: list[_Open] = []
        self.anchors = _Anchors()
        self.root: _Node | None = None
        self.documents = self.told = 0

    def build(self, events: Iterator[Any]) -> _Node | None:
        for event in events:
            line = event.start_mark.line + 1
            handle = getattr(self, f"_{type(event).__name__.removesuffix('Event').lower()}", None)
            if handle is not None:
                handle(event, line)
            self.told += 1
            if self.told > 2 * MOST_VALUES:
                self._refuse(line, f"it holds over {MOST_VALUES:,} values; shorten it")
        return self.root

    def _refuse(self, line: int, why: str) -> NoReturn:
        raise RecipeError(f"{self.label}, line {line}: {why}")

    def _documentstart(self, event: Any, line: int) -> None:
        self.documents += 1
        if self.documents > 1:
            self._refuse(line, "a second document starts; keep one, and remove the line '---'")

    def _scalar(self, event: Any, line: int) -> None:
        self.anchors.name(event.anchor, None, line, self._refuse)
        event.value = _whole(event.value, line, self._refuse)
        top = self.open[-1] if self.open else None
        if top is not None and top.items is None and top.key is None:
            _take_key(top, event, line, self._refuse)
            self.anchors.name(event.anchor, _Node(line, event.value), line, self._refuse)
            return
        node = _Node(line, _value(event, line, self._refuse))
        self.anchors.name(event.anchor, node, line, self._refuse)
        self._put(node)

    def _alias(self, event: Any, line: int) -> None:
        if event.anchor not in self.anchors:
            self._refuse(line, f"'*{shown(event.anchor)}' names nothing; write '&{shown(event.anchor)}' before it")
        node = self.anchors[event.anchor]
        if node is None:
            self._refuse(line, f"'*{shown(event.anchor)}' stands inside what it names; write it out")
        top = self.open[-1] if self.open else None
        if top is not None and top.items is None and top.key is None:
            if not isinstance(node.value, str):
                self._refuse(line, "a key is a word; write it out")
            self._refuse(line, f"the key '*{shown(event.anchor)}' is an alias; write it out")
        self._put(node)

    def _mappingstart(self, event: Any, line: int) -> None:
        self._begin(event, line, None, "map")

    def _sequencestart(self, event: Any, line: int) -> None:
        self._begin(event, line, [], "seq")

    def _begin(self, event: Any, line: int, items: list[_Node] | None, tag: str) -> None:
        if event.tag not in (None, "!", PREFIX + tag):
            self._refuse(line, str(unknown_tag(event.tag)))
        top = self.open[-1] if self.open else None
        if top is not None and top.items is None and top.key is None:
            self._refuse(line, "a key is a word, no list or mapping; write a word")
        if len(self.open) >= DEEPEST:
            self._refuse(line, f"it is nested over {DEEPEST} levels deep; flatten it")
        self.anchors.name(event.anchor, None, line, self._refuse)
        self.open.append(_Open(line, event.anchor, items))

    def _sequenceend(self, event: Any, line: int) -> None:
        top = self.open.pop()
        items = top.items or []
        self._close(_Node(top.line, items), items, top.anchor)

    def _mappingend(self, event: Any, line: int) -> None:
        top = self.open.pop()
        for merged in top.merged or ():
            assert isinstance(merged.value, dict), "checked when it came"
            for key, entry in merged.value.items():
                top.entries.setdefault(key, entry)
        self._close(_Node(top.line, top.entries), [node for _, node in top.entries.values()], top.anchor)

    def _close(self, node: _Node, inner: list[_Node], anchor: str | None) -> None:
        node.values += sum(one.values for one in inner)
        node.depth += max((one.depth for one in inner), default=0)
        if node.values > MOST_VALUES:
            self._refuse(node.line, f"it holds over {MOST_VALUES:,} values, aliases written out; shorten it")
        if node.depth > DEEPEST:
            self._refuse(node.line, f"it is nested over {DEEPEST} levels deep, aliases written out; flatten it")
        self.anchors.name(anchor, node, node.line, self._refuse)
        self._put(node)

    def _put(self, node: _Node) -> None:
        if not self.open:
            self.root = node
            return
        top = self.open[-1]
        if top.items is not None:
            top.items.append(node)
            return
        assert top.key is not None, "a key comes first"
        (key, line), top.key = top.key, None
        if top.merges:
            top.merged = _mappings(node, line, self._refuse)
        else:
            top.entries[key] = line, node


def _plain(node: _Node, at: Location, lines: dict[Location, int]) -> Any:
    """Aliases written out: no two places share a list or mapping, so that one can be changed alone."""
    if isinstance(node.value, dict):
        made = {}
        for key, (line, value) in node.value.items():
            lines[(*at, key)] = line
            made[key] = _plain(value, (*at, key), lines)
        return made
    if isinstance(node.value, list):
        for index, item in enumerate(node.value):
            lines[(*at, index)] = item.line
        return [_plain(item, (*at, index), lines) for index, item in enumerate(node.value)]
    return node.value
