"""What every page of axkit keeps, read off its HTML: each fault is one sentence."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
LARGEST = 1_000_000
_OUTSIDE = re.compile(r"url\(\s*['\"]?(?!#)|@import|https?://(?!www\.w3\.org/)")
_LOADS = {"src", "srcset", "href", "xlink:href", "action", "poster", "data"}


class Reader(HTMLParser):
    """Collects what the rules are about."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.headings = [], [], []
        self.ids, self.wanted, self.fields = [], [], []
        self.titled, self.svgs, self.words = [], 0, {}

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        for name in ("aria-labelledby", "aria-describedby", "for"):
            self.wanted += found.get(name, "").split()
        for name in _LOADS & found.keys():
            value = found[name] or ""
            self.wanted += [value[1:]] if value.startswith("#") else []
            if not value.startswith("#") and not value.startswith("data:"):
                self.faults.append(f"<{tag} {name}> loads or leads to {value!r:.60}")
        if tag == "svg":
            self.svgs += 1
            if found.get("role") != "img" or "aria-labelledby" not in found:
                self.faults.append("an svg without role or name")
        if tag == "img" and not found.get("alt"):
            self.faults.append("an img without alt")
        if tag in ("input", "select", "textarea"):
            self.fields.append(found.get("id", ""))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if any(name.startswith("on") for name in found):
            self.faults.append(f"<{tag}> has a script in an attribute")
        if tag == "html" and not found.get("lang"):
            self.faults.append("no language")
        if tag == "label":
            self.titled.append(found.get("for"))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in VOID or not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing that is open")

    def handle_data(self, data):
        for tag in self.open[-1:]:
            self.words[tag] = self.words.get(tag, "") + data


def faults(page: str) -> list[str]:
    """What is wrong with a page."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    found = list(reader.faults)
    found += [f"<{tag}> stays open" for tag in reader.open]
    found += [f"id {one!r} stands there twice" for one in sorted({x for x in reader.ids if reader.ids.count(x) > 1})]
    found += [f"nothing has the id {one!r}" for one in sorted(set(reader.wanted) - set(reader.ids))]
    found += [f"field {one!r} has no label" for one in reader.fields if one not in reader.titled]
    if reader.headings[:1] != [1] or reader.headings.count(1) != 1:
        found.append("not one h1 first")
    found += [f"h{b} after h{a}" for a, b in zip(reader.headings, reader.headings[1:], strict=False) if b > a + 1]
    if not reader.words.get("title", "").strip():
        found.append("no title")
    if reader.words.get("title", "") and reader.svgs and page.count("<title ") < reader.svgs:
        found.append("an svg without title")
    found += [f"fetches from outside: {one!r}" for one in _OUTSIDE.findall(page)]
    if len(page.encode()) > LARGEST:
        found.append(f"{len(page.encode())} bytes")
    return found
