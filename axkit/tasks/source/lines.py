"""Lines of a text file, each with its number; what is not UTF-8 text is named by its line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from axkit.tasks.source.origin import Source

LONGEST = 1 << 28  # bytes of a line, or of a quoted field: more is no row
_OTHER_UNICODE = (b"\xff\xfe", b"\xfe\xff")


def text_lines(source: Source) -> Iterator[tuple[int, str]]:
    """(number, line with its end) of a UTF-8 file, with or without a byte order mark.

    A line ends at a line feed, after a carriage return or not; in a file without line feeds at each carriage return.
    No other character ends one: U+2028, U+0085 and form feeds are parts of texts.

    Raises:
        DataError: bytes that are not UTF-8, a zero byte, a line longer than ``LONGEST``.
    """
    try:
        with source.path.open("rb") as file:
            for number, raw in enumerate(_raw_lines(file), 1):
                yield number, _decoded(source, number, raw)
    except OSError as error:
        raise source.fault(f"it cannot be read ({error.strerror}); mend that, or give another file") from None


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    first = file.readline(LONGEST + 1)
    bare = first.removesuffix(b"\n").removesuffix(b"\r")
    if b"\r" in bare and len(first) <= LONGEST and not file.read(1):
        yield from first.replace(b"\r\n", b"\r").splitlines(keepends=True)  # of bytes: at line ends alone
        return
    file.seek(len(first))
    while first:
        yield first
        first = file.readline(LONGEST + 1)


def _decoded(source: Source, number: int, raw: bytes) -> str:
    if len(raw) > LONGEST:
        raise source.fault(f"it is longer than {LONGEST >> 20} MB; write one row a line", number)
    if number == 1:
        if raw.startswith(_OTHER_UNICODE):
            raise source.fault("the file is UTF-16; save the file as UTF-8", number)
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise source.fault(f"byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8", number) from None
    if "\0" in line:
        raise source.fault("it holds a zero byte, which is no text; mend the line, or save the file as UTF-8", number)
    return line
