"""Verify a finished folder: each way into it, in a process of its own, gives what was noted when it was written."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from axkit.checkpoint.config import NAME, PREFIX, no_checkpoint
from axkit.checkpoint.weights import read_headers
from axkit.contract.manifest import MODELING, PREDICT, TORCH, Manifest
from axkit.ground.errors import CheckpointError
from axkit.ground.files import read_object
from axkit.ground.pickles import is_pickle
from axkit.runtimes.manifest import check_hashes, read_manifest

if TYPE_CHECKING:
    from torch import Tensor

Answers = dict[str, "Tensor"]  # "batch/output" -> (rows, ...)
WORDS = "ids"  # of _WORDS, where words are read
_WORDS = "A fine story, told well; far too long, na\u00efve and dull?"
_CLOSE, _ROUNDED = (
    1e-4,
    5e-2,
)  # of the largest logit: in float32; where values are rounded, as processors differ in that
_NOT_OURS = (
    "is not what this axkit writes, and was not run; verify with the axkit that wrote it, or give --trust-code if you "
    "trust whoever did"
)
_AXKIT = Path(__file__).resolve().parents[1]
_SCRIPTS = {
    "axkit": ("-m", "axkit.finished.door"),
    "transformers": (str(_AXKIT / "runtimes" / "torch" / "plain" / "ask.py"),),
}
_BARE = str(_AXKIT / "finished" / "bare.py")


@dataclass(frozen=True)
class Checked:
    """What was found at one door, or of the files.

    Attributes:
        door: its name.
        said: what was looked at, and how close it came.
        fault: a sentence with the way out; empty where all is well.
    """

    door: str
    said: str
    fault: str = ""


def verify(folder: str | Path, trust_code: bool = False) -> Iterator[Checked]:
    """The files, and where they are whole, each door that the folder claims.

    A folder that axkit wrote before there were golden batches, or somebody else's, is asked new ones: then its other
    doors are held to axkit's own.

    Args:
        folder: a run folder, an exported one, or any checkpoint with a head.
        trust_code: run the folder's modeling file, or its predict.py, even if it is not the one that this axkit writes.

    Raises:
        CheckpointError: it is no checkpoint.
    """
    folder = Path(folder)
    files = _files(folder)
    yield files
    if files.fault:
        return
    manifest = read_manifest(folder)
    runtime = manifest.runtime if manifest else TORCH
    with tempfile.TemporaryDirectory(prefix="axkit-verify-") as made:
        visit = _prepared(folder, Path(made), runtime)
        found = visit.asked_by("axkit")
        yield visit.judged("axkit", runtime, found)
        config = read_object(folder / NAME)
        own = str(config.get("model_type")).startswith(PREFIX)
        if isinstance(found, str):
            return
        if manifest is not None and PREDICT in manifest.sha256:
            yield _by_script(visit, manifest, trust_code)
        holds_model = manifest is None or manifest.holds_model
        if not holds_model or (own and "modules" not in config["axkit"]):
            return
        if own and not trust_code and not _is_our_code(folder):
            yield Checked("transformers", "", f"{folder / MODELING} {_NOT_OURS}")
            return
        yield _by_transformers(visit, found, runtime, "trust_remote_code=True" if own else "a stock class")


def _is_our_code(folder: Path) -> bool:
    """Whether the modeling file is, to the letter, the one that this axkit writes for the model."""
    from axkit.runtimes.folder import load
    from axkit.runtimes.torch.plain.write import modeling_text

    return (folder / MODELING).read_text(encoding="utf-8") == modeling_text(load(folder))


def _by_transformers(visit: _Visit, found: Answers, runtime: str, how: str) -> Checked:
    """What transformers alone says, held to what was noted, or to the modules that another runtime keeps."""
    from axkit.finished.door import answered
    from axkit.runtimes.folder import load_to_work

    alone, expected = visit.asked_by("transformers"), visit.expected or {}
    if runtime != TORCH:  # which may compute in other bits than the modules do
        expected = answered(load_to_work(visit.folder).body, visit.asked)
    visit = replace(visit, expected={**found, **expected})  # words are split as axkit splits them
    return visit.judged("transformers", how, alone)


def _by_script(visit: _Visit, manifest: Manifest, trust_code: bool) -> Checked:
    """What ``predict.py`` says where there is neither axkit nor PyTorch, held to what axkit says."""
    from axkit.finished.alone import how_far, is_compared, is_ours, questions
    from axkit.finished.many import Predictor

    path, predictor = visit.folder / PREDICT, Predictor.open(visit.folder)
    if not trust_code and not is_ours(path, predictor.opened.subject.body, manifest):
        return Checked(PREDICT, "", f"{path} {_NOT_OURS}")
    asked, compared, worst = questions(predictor.how, visit.place), is_compared(predictor.how), 0.0
    for texts in asked:
        done = visit.ran(_BARE, str(path.absolute()), *texts)
        if done.returncode:
            return Checked(PREDICT, "", f"{path} does not answer ({_last_words(done)})")
        if compared:  # one at a time, as the script is asked: an answer may depend on what else is in the batch
            (said,) = predictor.predict_many([(texts[0], texts[1]) if len(texts) > 1 else texts[0]])
            worst = max(worst, how_far(said, done.stdout))
    if not worst <= visit.bound:
        off = f"off by {worst:.1g}, {visit.bound:g} is allowed" if worst < math.inf else "other labels, or another text"
        return Checked(PREDICT, "", f"{path} answers otherwise than axkit does ({off}); write the folder again")
    told = f"to {worst:.1g} ({visit.bound:g} allowed)" if compared else "not compared, as its kind is another package's"
    return Checked(PREDICT, f"without axkit and PyTorch: {len(asked)} inputs, answers {told}")


def _files(folder: Path) -> Checked:
    if not (folder / NAME).exists():
        raise no_checkpoint(folder)
    pickles = [path for path in sorted(folder.rglob("*")) if path.is_file() and is_pickle(path)]
    if pickles:
        return Checked("files", "", f"{pickles[0]} is a pickle, which can run code when it is opened; take it away")
    manifest = read_manifest(folder)
    if manifest is None:
        return Checked("files", "no pickle; there is no axkit.json to compare hashes with")
    try:
        check_hashes(folder, manifest)
    except CheckpointError as error:
        return Checked("files", "", str(error))
    return Checked("files", f"the {len(manifest.sha256)} that axkit wrote, by their hashes; no pickle")


@dataclass(frozen=True)
class _Visit:
    """Batches for every door.

    Attributes:
        folder: that is verified.
        place: a folder for what doors are asked and answer.
        expected: what they should answer; None: nobody noted it.
        bound: of the difference, as a share of the largest logit.
    """

    folder: Path
    place: Path
    expected: Answers | None
    bound: float

    @property
    def asked(self) -> Path:
        """The batches, and words."""
        return self.place / "asked.safetensors"

    def asked_by(self, door: str) -> Answers | str:
        """The answers, by "batch/output"; or why there are none."""
        from safetensors.torch import load_file

        answers = self.place / f"{door}.safetensors"
        given = (str(self.folder.absolute()), str(self.asked), str(answers))
        done = self.ran(*_SCRIPTS[door], *given)
        if done.returncode or not answers.is_file():
            return _last_words(done)
        said: Answers = load_file(answers)
        return said

    def ran(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What Python is given, in a process of its own."""
        command = [sys.executable, "-P", *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=self._surroundings(),
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def _surroundings(self) -> dict[str, str]:
        """Without the hub, and with a place of its own for code that transformers copies."""
        paths = [str(_AXKIT.parent), *filter(None, sys.path)]
        own = {"HF_MODULES_CACHE": str(self.place / "modules"), "PYTHONPATH": os.pathsep.join(paths)}
        return {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUTF8": "1", **own}

    def judged(self, door: str, how: str, found: Answers | str) -> Checked:
        """One door's answers, held to what is expected."""
        if isinstance(found, str):
            return Checked(door, "", f"{self.folder} does not answer by {door} ({found})")
        expected = self.expected
        if expected is None:
            return Checked(door, f"{how}: answers; no golden batch was written with it")
        lost = expected.keys() ^ found.keys() - ({WORDS} - expected.keys())
        if lost:
            return Checked(door, "", f"{self.folder} has '{min(lost)}' by one door and not by {door}; write it again")
        if WORDS in expected and not _same_ids(expected[WORDS], found[WORDS]):
            return Checked(door, "", f"{self.folder} splits words otherwise by {door}; save its tokenizer again")
        masks = self._masks()
        worst, where = _largest_gap(_shown(expected, masks), _shown(found, masks))
        if not worst <= self.bound:
            return Checked(
                door,
                "",
                f"{self.folder} answers otherwise by {door} than it should: logits of the batch '{where}' are off by "
                f"{worst:.1g} of the largest ({self.bound:g} is allowed); write the folder again",
            )
        batches = len({name.rpartition("/")[0] for name in expected.keys() - {WORDS}})
        return Checked(door, f"{how}: {batches} batches, logits to {worst:.1g} of the largest ({self.bound:g} allowed)")

    def _masks(self) -> Answers:
        """Of each batch, (rows, tokens) bool, True at tokens; none of images."""
        from safetensors.torch import load_file

        asked = load_file(self.asked)
        return {name.rpartition("/")[0]: one.bool() for name, one in asked.items() if name.endswith("/attention_mask")}


def _shown(answers: Answers, masks: Answers) -> Answers:
    """Without what is said of padding, of which each runtime says what it likes."""
    from axkit.runtimes.golden import at_tokens

    shown = dict(answers)
    for output in {name.rpartition("/")[2] for name in answers.keys() - {WORDS}}:
        names = [f"{case}/{output}" for case in masks]
        shown |= zip(names, at_tokens([answers[name] for name in names], list(masks.values())), strict=True)
    return shown


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return f"{lines[-1]:.300}" if lines else f"its process ended with {done.returncode}"


def _prepared(folder: Path, place: Path, runtime: str) -> _Visit:
    """With the golden batches of a folder, or new ones.

    Raises:
        CheckpointError: neither can be had.
    """
    from safetensors.torch import save_file

    from axkit.finished.opened import open_finished
    from axkit.runtimes.golden import golden_inputs, read_golden

    golden = read_golden(folder)
    if golden is not None:
        inputs = golden.inputs
        expected = {f"{case}/{name}": value for case, one in golden.answers.items() for name, value in one.items()}
    else:
        opened = open_finished(folder)
        inputs, expected = golden_inputs(opened.subject, opened.reader), None
    tensors = {f"{case}/{name}": value.contiguous() for case, one in inputs.items() for name, value in one.items()}
    reads_words = not any("pixel_values" in one for one in inputs.values())
    save_file(tensors, place / "asked.safetensors", {"words": _WORDS} if reads_words else None)
    exact = runtime == TORCH and {str(one["dtype"]) for one in read_headers(folder).values()} <= {"F32", "I64"}
    return _Visit(folder, place, expected, _CLOSE if exact else _ROUNDED)


def _same_ids(some: Tensor, others: Tensor) -> bool:
    return some.tolist() == others.tolist()


def _largest_gap(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> tuple[float, str]:
    """The largest difference of logits, as a share of the batch's largest logit (of 1 at least), and where it is."""
    worst, where = 0.0, ""
    for name in sorted(expected.keys() - {WORDS}):
        wanted, given = expected[name].float(), found[name].float()
        if wanted.shape != given.shape:
            return float("inf"), name.rpartition("/")[0]
        gap = float((wanted - given).abs().max()) / max(1.0, float(wanted.abs().max()))
        if not gap <= worst:
            worst, where = gap, name.rpartition("/")[0]
    return worst, where
