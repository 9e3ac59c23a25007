"""Room for cached hidden states: where files of them go, how much there will be, and taking it before it is needed.

Imports no torch: plans ask too.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from axkit.axformer.settings import SearchConfig
from axkit.contract.passes import SearchWork, Workload
from axkit.ground.errors import StorageError
from axkit.kit.mend_cost import LAST, problem_bytes

FOLDER = "AXKIT_TEMP"
_MOUNTS = Path("/proc/mounts")
_NOT_HERE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # what a file system says that cannot reserve
_CHUNK = bytes(2**20)
_LOOKED = (2.0, 4.0)  # passes that looking at a layer's two blocks costs: from it on, and an evaluation may end early
_CALIBRATED = (5.7, 8.7)  # those over its rows that a calibration costs, gradients and moments with it
_REFITTED = (1.1, 1.5)  # and a last layer's refit over its, a quarter of which are there: in both models, below it
_ORDER = 12  # times the cube of a block's width: what an order costs, in float32's operations
MORE_ROUNDS = 3  # at most, where the measured model is slower than was predicted


def folder() -> Path:
    """Where files go: ``AXKIT_TEMP``, or the system's folder for temporary files."""
    return Path(os.environ.get(FOLDER) or tempfile.gettempdir())


def is_memory(place: Path) -> bool:
    """True where a folder is a file system in memory, as far as the system tells."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8").splitlines()
        where = place.resolve()
    except OSError:
        return False
    kinds = {Path(mount.replace("\\040", " ")): kind for _, mount, kind, *_ in map(str.split, lines)}
    nearest = next((one for one in (where, *where.parents) if one in kinds), None)
    return nearest is not None and kinds[nearest] in ("tmpfs", "ramfs")


def reserved(size: int) -> Path:
    """A new file of ``size`` bytes that the disk has really given; the caller removes it.

    A file that is only as long as that would end the process without a word where the disk is full: it is mapped, and
    there is no answer to a write but a signal.

    Raises:
        StorageError: the disk has not that much, or the folder is not there.
    """
    place, path = folder(), None
    try:
        handle, name = tempfile.mkstemp(prefix="axkit-", suffix=".bin", dir=place)
        path = Path(name)
        with os.fdopen(handle, "wb") as file:
            _reserve(file.fileno(), size)
    except OSError as error:
        if path is not None:
            path.unlink(missing_ok=True)
        raise StorageError(
            f"no room for {told(size)} of cached hidden states in {place} ({error.strerror}; {_free(place)}): free "
            f"space there, name another folder in {FOLDER}, or raise cache_gib to keep more in memory; finished stages "
            f"are kept"
        ) from error
    return path


def _reserve(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, 0, size)
            return
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
    for start in range(0, size, len(_CHUNK)):
        os.write(handle, _CHUNK[: size - start])


def _free(place: Path) -> str:
    try:
        return f"{told(shutil.disk_usage(place).free)} free"
    except OSError:
        return "no such folder"


def told(size: float) -> str:
    """Bytes, for a sentence."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def sizes(work: Workload, rows: int, opens: bool) -> tuple[list[int], int]:
    """Bytes of each layer's cached input, and of what an opened block keeps besides, at most; 0 if none is opened."""
    tokens = 4 * (rows * work.tokens + 1)
    return [tokens * work.hidden] * (work.layers - 1), tokens * (work.ffn_width + 2 * work.hidden if opens else 0)


def on_disk(inputs: Sequence[int], block: int, limit: float) -> int:
    """How much of it goes past the limit of memory, as a shelf fills it."""
    memory = disk = 0
    for size in inputs:
        if memory + size <= limit:
            memory += size
        else:
            disk += size
    return disk + (block if memory + block > limit / 2 else 0)  # what attention adds may have the rest of a half


def search_work(
    config: SearchConfig,
    work: Workload,
    rows: tuple[int, int],
    opens: bool,
    candidates: tuple[int, int] | None = None,
    passes: tuple[float, float] | None = None,
) -> SearchWork:
    """What a search looks at, and keeps.

    Args:
        config: of the search.
        work: of the plan.
        rows: that it looks at, and that it confirms on (``axkit.axformer.settings.split_up``).
        opens: whether it opens blocks and tries their parts.
        candidates: the fewest and the most.
        passes: of the whole model that these cost; that over the model as it comes is added.
    """
    inputs, block = sizes(work, rows[0], opens)
    whole = None if passes is None else (passes[0] + 1, passes[1] + 1)
    in_files = on_disk(inputs, block, config.cache_gib * 2**30)
    return SearchWork(*rows, candidates, whole, sum(inputs) + block, in_files, str(folder()))


def table_work(config: SearchConfig, work: Workload, rows: int, mend_rows: int, rounds: int) -> SearchWork:
    """What a budget's table of mended blocks takes, for each of its rounds.

    Each block is looked at at up to four levels, from its layer on. Beside that, calibration rows go through the model:
    for the table, for the gradients that say what the answers feel, and twice for the refit; a block's second moments
    cost nearly as much as the layer itself each time. The order of a block's parts is found on matrices in float64.

    Args:
        config: of the search.
        work: of the plan.
        rows: that levels are looked at on.
        mend_rows: that blocks are refitted on.
        rounds: at least.
    """
    looks, width, hidden = 8 * work.layers, work.ffn_width, work.hidden
    seen = min(mend_rows, work.rows.get("train", mend_rows)) / max(1, rows)
    orders = _ORDER * (width**3 + hidden**3) / (work.layer_operations * work.tokens * max(1, rows))
    last = min(LAST * mend_rows, work.rows.get("train", mend_rows)) / max(1, rows)
    low, high = (
        looked * (work.layers + 1) + calibrated * seen + refitted * last + orders
        for looked, calibrated, refitted in zip(_LOOKED, _CALIBRATED, _REFITTED, strict=True)
    )
    found = search_work(
        config,
        work,
        (rows, 0),
        False,
        (looks * rounds, looks * (rounds + MORE_ROUNDS)),
        (low * rounds, high * (rounds + MORE_ROUNDS)),
    )
    return replace(found, matrix_bytes=problem_bytes(work.layers, width, hidden))


def foreseen(found: SearchWork, work: Workload) -> str:
    """One sentence for the plan: what the cache will take, at most."""
    more = "; more where a context takes several windows" if work.windows else ""
    said = f"the search caches at most {told(found.cache_bytes)} of hidden states{more}"
    if not found.file_bytes:
        return f"{said}, in memory"
    disk, place = found.file_bytes, Path(found.folder)
    memory = ", which is memory itself (tmpfs)" if is_memory(place) else ""
    return f"{said}: past cache_gib {told(disk)} in files in {place}{memory}, with {_free(place)} ({FOLDER} moves them)"
