"""The code blocks of README.md and docs/*.md."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```([a-z]*)[^\n]*\n(.*?)^```", re.S | re.M)


@dataclass(frozen=True)
class Block:
    """One of them.

    Attributes:
        page: the file's name.
        line: of the page, where it begins.
        language: as written; empty for commands.
        text: without the fences.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def is_included(self) -> bool:
        """It shows a file, which is tested where it lies."""
        return "--8<--" in self.text

    @property
    def commands(self) -> list[list[str]]:
        """The words of each line, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All of some languages, page by page."""
    found = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page.name, line, match[1], match[2]))
    return [block for block in found if block.language in languages]
