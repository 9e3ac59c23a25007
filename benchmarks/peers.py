"""One fine-tuned model through ours and through others' tools, each in an environment of its own, timed in turn.

    python benchmarks/peers.py --dense MODEL --data test.jsonl --calibrate train.jsonl --text text --label label \\
        --ours runs/small --ours runs/exported --threads 2 --out peers.json

MODEL is a transformers checkpoint with a head for classification; what is given as ours was made of it, with its
tokenizer. Every peer gets the dense model and makes of it what its documentation says. Environments are made once,
below --envs, by pip (or named: --python onnxruntime=PYTHON); a peer that does not install or run is told below the
table, with why. Every model lives in a process of its own; passes go round by round through all of them, one at a
time, so what the machine does meanwhile hits all alike. Figures are ratios to the dense model in float32, medians
over rounds with 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from axkit.ground.figures import quantity, ratio
from axkit.ground.processor import Processor
from axkit.measure.scenarios import Middle
from axkit.report.tables import table_lines

NEEDS = {
    "bfloat16": None,  # this environment
    "torch_ao": None,
    "torchao": ("torch", "torchao", "transformers", "numpy", "setuptools"),
    "onnxruntime": ("torch", "transformers", "onnx", "onnxruntime", "numpy"),
    "openvino": ("torch", "transformers", "openvino", "nncf", "numpy"),
    "torch_pruning": ("torch", "torch-pruning", "transformers", "numpy"),
    "textpruner": ("torch", "textpruner", "transformers", "numpy"),
}
SCENARIOS = ("b1", "b32", "b32 sorted")
_SINGLES, _CALIBRATION = 32, 300


class Peer:
    """A model in a process of its own.

    Args:
        name: in the table.
        process: that answers requests.
        work: where it keeps what it made; counted as its bytes.
    """

    def __init__(self, name: str, process: subprocess.Popen[str], work: Path) -> None:
        self.name, self.process, self.work = name, process, work

    @classmethod
    def start(cls, name: str, peer: str, python: str, folder: Path, work: Path, data: Path, threads: int) -> Self:
        """Make the model; returns when it is ready.

        Raises:
            RuntimeError: it is not; with the last line that it said.
        """
        work.mkdir()
        script = Path(__file__).with_name("peers_worker.py")
        log = (work.parent / f"{work.name}.log").open("w+")
        held = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        process = subprocess.Popen(
            [python, str(script), peer, str(folder), str(work), str(data), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **held, "HF_HUB_OFFLINE": "1"},
        )
        made = cls(name, process, work)
        try:
            made._reply()
        except RuntimeError:
            process.kill()
            log.seek(0)
            lines = [line for line in log.read().splitlines() if line.strip()]
            raise RuntimeError(lines[-1] if lines else "it ended without a word") from None
        return made

    def ask(self, batches: list[list[int]]) -> dict[str, Any]:
        """One pass: seconds and answers of each batch of rows."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"batches": batches}) + "\n")
        self.process.stdin.flush()
        return self._reply()

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("its process ended")
        found: dict[str, Any] = json.loads(line)
        return found


@dataclass(frozen=True)
class Wanted:
    """A model that is to be measured.

    Attributes:
        name: in the table.
        peer: what makes it, as ``peers_worker.py`` calls it.
        python: whose environment.
        folder: that it is made of.
    """

    name: str
    peer: str
    python: str
    folder: Path


def environment(name: str, place: Path, given: dict[str, str]) -> str:
    """The Python of a peer's environment, made where there is none and none is given.

    Raises:
        RuntimeError: pip does not install it.
    """
    packages = NEEDS[name]
    if name in given or packages is None:
        return given.get(name, sys.executable)
    python = place / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place / name)], check=True)
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pip: {done.stderr.strip().splitlines()[-1]}")
    return str(python)


def tokenized(asked: argparse.Namespace, file: Path, most: int, out: Path) -> tuple[Any, Any]:
    """Write rows as the workers read them; their lengths and labels."""
    from axkit.anatomy.family import family_of
    from axkit.checkpoint.sources import read_config
    from axkit.runtimes.torch.opening import open_reader

    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()][:most]
    config = read_config(asked.dense)
    reader = open_reader(asked.dense, family_of(config["model_type"]))
    limit = min(int(reader.model_max_length), int(config.get("max_position_embeddings", 512)))
    texts = [str(row[asked.text]) for row in rows]
    made = reader(texts, padding=True, truncation=True, max_length=limit, return_tensors="np")
    number = {str(name): int(index) for index, name in config.get("id2label", {}).items()}
    labels = np.array([number.get(str(row[asked.label]), row[asked.label]) for row in rows], dtype=np.int64)
    np.savez(out, labels=labels, **{name: np.asarray(value, np.int64) for name, value in made.items()})
    return made["attention_mask"].sum(1), labels


def batches_of(scenario: str, lengths: Any, most: int) -> list[list[int]]:
    """Rows of one pass."""
    if scenario == "b1":
        return [[row] for row in range(min(_SINGLES, len(lengths)))]
    rows = list(range(min(most, len(lengths))))
    if "sorted" in scenario:
        rows.sort(key=lambda row: int(lengths[row]))
    return [rows[start : start + 32] for start in range(0, len(rows), 32)]


def timed(peers: list[Peer], passes: dict[str, list[list[int]]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each pass by model and scenario; a first pass over the shapes is not counted."""
    spent = {peer.name: {name: list[float]() for name in passes} for peer in peers}
    for turn in range(rounds + 1):
        for name, batches in passes.items():
            for peer in peers if turn % 2 else peers[::-1]:
                seconds = sum(peer.ask(batches)["seconds"])
                if turn:
                    spent[peer.name][name].append(seconds)
    return spent


def size_of(wanted: Wanted, work: Path) -> int:
    """Bytes on disk: of what a peer wrote, of a folder of ours, of the dense weights."""
    weights = (".safetensors", ".onnx", ".xml", ".bin")
    made = [path for path in work.rglob("*") if path.is_file()]
    found = made or [path for path in wanted.folder.iterdir() if path.suffix in weights]
    total = sum(path.stat().st_size for path in found)
    return total // 2 if wanted.peer == "bfloat16" else total


Spent = dict[str, list[float]]  # scenario -> seconds of each round


def row_of(name: str, score: float, size: int, spent: Spent, dense: Spent) -> list[str]:
    """A line of the table."""
    cells = [name, f"{score:.2f}", quantity(size / 1e6, 1)]
    for scenario, own in spent.items():
        times = Middle.of([other / one for other, one in zip(dense[scenario], own, strict=True)])
        between = "" if times.low is None or times.high is None else f" [{times.low:.2f}, {times.high:.2f}]"
        cells.append(ratio(times.value) + between)
    return cells


def measured(asked: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """All that can be made, scored and timed; and what cannot, with why."""
    data = scratch / "rows.npz"
    lengths, labels = tokenized(asked, asked.data, asked.rows, data)
    tokenized(asked, asked.calibrate, _CALIBRATION, scratch / "calibration.npz")
    tokenized(asked, asked.calibrate, sys.maxsize, scratch / "train.npz")
    wanted = [Wanted("dense, float32", "dense", sys.executable, asked.dense)]
    wanted += [Wanted(f"axkit {path.name}", "axkit", sys.executable, path) for path in asked.ours]
    why, sizes, peers = {}, {}, []
    with ExitStack() as stack:
        given = dict(one.split("=", 1) for one in asked.python)
        for name in asked.peer:
            try:
                python = environment(name, asked.envs, given)
            except RuntimeError as error:
                why[name] = str(error)
                continue
            wanted.append(Wanted(name, name, python, asked.dense))
        for number, one in enumerate(wanted):
            work = scratch / str(number)
            try:
                peer = Peer.start(one.name, one.peer, one.python, one.folder, work, data, asked.threads)
            except RuntimeError as error:
                why[one.name] = str(error)
                continue
            stack.callback(peer.stop)
            peers.append(peer)
            sizes[one.name] = size_of(one, work)
        every = batches_of("b32 sorted", lengths, len(lengths))
        order = [row for batch in every for row in batch]
        scores = {}
        for peer in peers:
            answers = [one for batch in peer.ask(every)["answers"] for one in batch]
            scores[peer.name] = 100 * float(np.mean(np.array(answers) == labels[order]))
        passes = {name: batches_of(name, lengths, asked.timed) for name in SCENARIOS}
        spent = timed(peers, passes, asked.rounds)
    return {"scores": scores, "sizes": sizes, "seconds": spent, "why": why, "rows": len(labels)}


def main() -> None:
    """Print the table, and write all figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dense", type=Path, required=True)
    parser.add_argument("--ours", type=Path, action="append", default=[])
    parser.add_argument("--data", type=Path, required=True, help="JSON lines, to score and time on")
    parser.add_argument("--calibrate", type=Path, required=True, help="JSON lines for peers that calibrate")
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--peer", action="append", choices=list(NEEDS), help="one or more; all by default")
    parser.add_argument("--python", action="append", default=[], metavar="PEER=PYTHON", help="an environment there is")
    parser.add_argument("--envs", type=Path, default=Path("runs/envs"))
    parser.add_argument("--rows", type=int, default=2000, help="that are scored")
    parser.add_argument("--timed", type=int, default=192, help="rows of a pass in batches")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    asked.peer = asked.peer or list(NEEDS)
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(asked, Path(scratch))
    seconds: dict[str, Any] = found["seconds"]
    dense = seconds["dense, float32"]
    head = ("model", "accuracy", "MB", *(f"{name}, times dense" for name in SCENARIOS))
    lines = [row_of(name, found["scores"][name], found["sizes"][name], seconds[name], dense) for name in seconds]
    here = Processor.here()
    print("\n".join(table_lines(head, lines)))
    print(f"\n{here.name}, {asked.threads} threads; {' '.join(here.flags)}; {found['rows']} rows scored.")
    for name, reason in found["why"].items():
        print(f"{name} is not in the table: {reason}")
    if asked.out:
        asked.out.write_text(
            json.dumps(found | here.to_json() | {"threads": asked.threads}, indent=1), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
