"""Time AxFormer's search against whole-model passes that only mask, in one process, and compare every decision.

    python benchmarks/search.py --model FOLDER --data FILE.jsonl --k 10

The mask-only loop is the oracle of the tests: its own code. It runs in full on length-sorted batches, which also gives
the decisions to compare with. Padded to 128, as the authors' script runs them, a pass of the same loop costs the same
whatever the rows are: one pass of each kind is timed (soft, one layer hard) and multiplied by how many of its kind were
needed. With --rounds all three are measured so often, in turn; a ratio is the median over rounds, each within its own
round. With --busy ours is timed alone, and beside a process that keeps one core busy. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from axkit.ground.cpu import before_torch
from axkit.ground.processor import Processor

before_torch()  # as the command does, before torch is there

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import oracle

from axkit.anatomy.family import family_of
from axkit.anatomy.surgery import dense_structure
from axkit.axformer.hard_attention import HardAttention
from axkit.axformer.prune import AxformerPrune
from axkit.cli.bars import Shown
from axkit.measure.speed import peak_memory_bytes
from axkit.run.journal import FileJournal
from axkit.runtimes.folder import load
from axkit.runtimes.torch.body import torch_subject
from axkit.runtimes.torch.opening import open_tokenizer
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.source.rows import SplitRows
from axkit.tasks.spec import TaskSpec
from axkit.tasks.split import Split
from axkit.testing import lend

PADDED_TO = 128


def read_split(path, text, label, tokenizer):
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    labels = torch.tensor([row[label] for row in rows]).numpy()
    spec = TaskSpec(kind="classification", text=text, label=label)
    return Split(SplitRows([(row[text],) for row in rows], labels), spec, KINDS["classification"], tokenizer, PADDED_TO)


def ours(model, family, split, tokenizer, args):
    subject = torch_subject(model, family).copy()
    with tempfile.TemporaryDirectory() as scratch:
        journals = [FileJournal(Path(scratch) / name) for name in ("hard", "prune")]
        lent = {"train": split, "search": split, "reader": tokenizer, "progress": Shown()}
        tools = [lend(Path(scratch), journal=journal, **lent) for journal in journals]
        start = time.perf_counter()
        every = {"vote": args.vote, "search_rows": len(split)}  # as the loop: all rows decide
        first = HardAttention().apply(subject, HardAttention.Config(k=args.k, **every), tools[0])
        second = AxformerPrune().apply(subject, AxformerPrune.Config(**every), tools[1])
        seconds = time.perf_counter() - start
        lines = [line for journal in journals for line in journal.read()]
    decisions = [(line["element"], line["accepted"]) for line in lines]
    return decisions, seconds, first.facts, second.facts


def masked(model, family, split, args, structure):
    batches = [(batch.inputs, batch.labels) for batch in split.batches(64)]
    sizes = (structure.n_heads, structure.ffn_width)
    start = time.perf_counter()
    hard, best = oracle.search(model, family.model_type, *sizes, batches, k=args.k, vote=args.vote)
    layers = {int(element.split("/")[1]): args.k for element, accepted in hard if accepted}
    prune, best = oracle.search(model, family.model_type, *sizes, batches, vote=args.vote, hard=layers)
    return hard + prune, best, time.perf_counter() - start


class PaddedPasses:
    """What the loop takes on rows padded to 128: passes of each kind timed, times how many there were of it."""

    def __init__(self, model, family, split, args, structure):
        sizes = (structure.n_heads, structure.ffn_width)
        self.masks = oracle.Masks(copy.deepcopy(model).eval(), family.model_type, *sizes)
        self.masks.model.set_attn_implementation(args.padded_attention)
        self.k, self.batches = args.k, []
        for start in range(0, len(split), args.padded_batch):
            rows = [split.examples[i] for i in range(start, min(start + args.padded_batch, len(split)))]
            padding = {"padding": "max_length", "max_length": PADDED_TO, "return_tensors": "pt"}
            self.batches.append(dict(split.tokenizer.pad(rows, **padding)))

    def timed(self):
        with torch.inference_mode():
            start = time.perf_counter()
            for inputs in self.batches:
                self.masks.model(**inputs)
            return time.perf_counter() - start

    def seconds(self, evaluations):
        plain = self.timed()
        self.masks.hard(self.masks.n // 2, self.k)
        hard = self.timed()
        self.masks.hard(self.masks.n // 2, None)
        print(f"a padded pass: {plain:.1f} s, with one hard layer {hard:.1f} s", flush=True)
        count = sum(element.startswith("hard/") for element, _ in evaluations)
        return count * hard + (len(evaluations) - count + 2) * plain


def beside_busy(search, rounds):
    found = []
    search()  # nobody pays for the first use of anything
    for _ in range(rounds):
        decisions, alone = search()
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
            try:
                again, beside = search()
            finally:
                other.kill()
        found.append((decisions == again, alone, beside, beside / alone))
        print(f"alone {alone:.1f} s, beside a busy core {beside:.1f} s", flush=True)
    same, *figures = zip(*found, strict=True)
    names = ("alone_s", "beside_busy_s", "ratio")
    medians = {name: round(statistics.median(figure), 2) for name, figure in zip(names, figures, strict=True)}
    print(json.dumps({"same_decisions": all(same), "threads": torch.get_num_threads(), "rounds": rounds} | medians))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder with a fine-tuned classifier")
    parser.add_argument("--data", required=True, help="JSONL with the search split")
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--vote", type=float, default=0.5)
    parser.add_argument("--text", default="sentence")
    parser.add_argument("--label", default="label")
    parser.add_argument("--padded-batch", type=int, default=64, help="rows per batch of the padded passes")
    parser.add_argument(
        "--padded-attention",
        choices=["sdpa", "eager"],
        default="sdpa",
        help="of the padded passes: PyTorch's fused one, or the explicit softmax of the authors' day",
    )
    parser.add_argument("--rounds", type=int, default=1, help="all of it so often, in turn; ratios are medians")
    parser.add_argument("--busy", action="store_true", help="instead: ours alone, then beside one busy core")
    args = parser.parse_args()
    model, tokenizer = load(args.model), open_tokenizer(Path(args.model))
    family = family_of(model.config.model_type)
    split = read_split(args.data, args.text, args.label, tokenizer)
    if args.busy:
        beside_busy(lambda: ours(model, family, split, tokenizer, args)[:2], args.rounds)
        return
    structure, rounds = dense_structure(model, family), []
    padded = PaddedPasses(model, family, split, args, structure)
    padded.timed()  # nobody pays for the first use of anything
    for _ in range(args.rounds):
        decisions, seconds, first, second = ours(model, family, split, tokenizer, args)
        print(f"ours: {seconds:.1f} s, {len(decisions)} candidates", flush=True)
        expected, best, masked_s = masked(model, family, split, args, structure)
        print(f"masked, length-sorted: {masked_s:.1f} s", flush=True)
        padded_s = padded.seconds(expected)
        print(f"masked, padded to {PADDED_TO}: {padded_s:.1f} s ({len(expected) + 2} passes)")
        rounds.append((decisions == expected, seconds, masked_s / seconds, padded_s / seconds))
        for ours_one, theirs in zip(decisions, expected, strict=False):
            if ours_one != theirs:
                print(f"first difference: {ours_one}, the oracle has {theirs}")
                break
    same, *figures = zip(*rounds, strict=True)
    seconds, ratio_vs_masked, ratio_vs_padded = (round(statistics.median(figure), 2) for figure in figures)
    result = {
        "same_decisions": all(same),
        "best_loss_difference": abs(best - second["search_loss_after_nats"]),
        "evaluations": int(first.get("evaluations", 0) + second["evaluations"]),
        "processor": Processor.here().name,
        "threads": torch.get_num_threads(),
        "rounds": args.rounds,
        "padded_batch": args.padded_batch,
        "padded_attention": args.padded_attention,
        "seconds": seconds,
        "ratio_vs_masked": ratio_vs_masked,
        "ratio_vs_masked_lowest": round(min(figures[1]), 2),
        "ratio_vs_padded": ratio_vs_padded,
        "ratio_vs_padded_lowest": round(min(figures[2]), 2),
        "peak_memory_bytes": peak_memory_bytes(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
