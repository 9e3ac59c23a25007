"""Our mended budget walk against Kwon et al.'s rule and first-order cuts, at equal measured speed, nothing trained.

    python benchmarks/kwon.py --model FOLDER --task embedded:movie-reviews --speedup 1.8 2.3

For each speed-up our walk goes first, by the pass as a recipe runs it. What it reached is measured, and the others get
the budget, found by bisection, under which they measure as fast: models and dense model in turn, the shortest of
several turns. Kwon et al.'s costs are latencies of blocks, measured here (their appendix A.2), or FLOPs. All start from
the dense model whose last layer is computed for the first token alone, where the head reads no other: exact, and as
fast for all. That layer then costs next to nothing, and their rules leave it whole. At the end all are timed in turn,
in one go, and answer the test rows, which nothing has seen. Figures of a busy machine say little of speed. The last
line is one JSON object.

Methods:
  ours         axformer_prune, objective budget, criterion divergence: mended levels of each block
  kwon         Fisher mask search, rearrangement, mask tuning (arXiv 2204.09656), benchmarks/fisher.py
  kwon masks   the same without tuning
  kwon mended  the same masks, our repair in place of their tuning
  first order  the same search by |value times gradient| (arXiv 1905.10650, 1906.10771), no repair
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from axkit.ground.cpu import before_torch

before_torch()  # as the command does, before torch is there

import torch
from fisher import Cost, mask_gradients, rearranged, search, tune, without

from axkit.axformer.prune import AxformerPrune
from axkit.checkpoint.sources import read_config
from axkit.cli.bars import Shown
from axkit.cli.options import read_task
from axkit.kit import BLOCKS, Calibration, cut_to
from axkit.measure import speed as measure
from axkit.measure.inputs import Inputs
from axkit.report.tables import table_lines
from axkit.runtimes.folder import load_subject
from axkit.runtimes.limits import token_limit
from axkit.runtimes.torch.opening import open_reader
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.labels.head import head_of
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import load_rows
from axkit.tasks.spec import resolve
from axkit.tasks.split import Split
from axkit.testing import lend

STEPS = 7  # of a bisection
SHARES = (1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8, 1)  # of a block's parts, that are timed


@dataclass(frozen=True)
class Made:
    """A model that a method made.

    Attributes:
        subject: carved.
        seconds: that it took, without the timings that found the budget.
        rows: training rows that it looked at, and of these those whose labels it used.
    """

    subject: object
    seconds: float
    rows: str


def opened(args):
    """The dense model, and its splits."""
    folder = Path(args.model)
    subject = load_subject(folder)
    subject.reader = open_reader(folder, subject.family)
    task = resolve(read_task(args.task), lambda _: "--task")
    head = head_of(read_config(folder), task.spec.kind, args.model)
    most = max(args.rows, args.mend_rows)
    rows = load_rows(task, Samples(train=most, search=args.search, test=args.test_rows), head)
    limit, kind = token_limit(subject.reader, subject.module.config, subject.family), KINDS[task.spec.kind]
    return subject, {name: Split(part, task.spec, kind, subject.reader, limit) for name, part in rows.splits.items()}


def ours(dense, splits, args, wanted):
    config = AxformerPrune.Config(
        objective="budget", criterion="divergence", speedup=wanted, max_drop=100.0, mend_rows=args.mend_rows
    )
    subject = dense.copy()
    with tempfile.TemporaryDirectory() as scratch:
        lent = {"train": splits["train"], "search": splits["search"], "reader": dense.reader, "progress": Shown()}
        tools = lend(Path(scratch), teacher=dense, **lent)
        start = time.perf_counter()
        AxformerPrune().apply(subject, config, tools)
        seconds = time.perf_counter() - start
    mended, decided = min(args.mend_rows, len(splits["train"])), len(splits["search"])
    return Made(subject, seconds, f"{mended} without labels, {decided} of search")


def latency(base, batch, what, turns):
    """A block's seconds by how many parts are left: in its layer, the other block gone, in turn, the shortest turn."""
    total = base.structure.n_heads if what == "attention" else base.structure.ffn_width
    found, models = {}, {}
    for count in sorted({max(1, round(share * total)) for share in SHARES}):
        one = base.copy()
        only = one.structure.without_ffn(0) if what == "attention" else one.structure.without_attention(0)
        one.carve((only.keep_heads if what == "attention" else only.keep_neurons)(0, range(count)))
        models[count] = copy.deepcopy(one.layers[0].module)
    given = entering(base, batch)
    with torch.inference_mode():
        for turn in range(turns + 1):  # the first is nobody's
            for count, layer in models.items():
                start = time.perf_counter()
                layer(*given[0], **given[1])
                taken = time.perf_counter() - start
                found[count] = taken if turn < 2 else min(found[count], taken)
    return Cost.fitted(found)


def entering(base, batch):
    """What the first layer is called with."""
    found = []

    def keep(_, args, kwargs):
        found.append((args, kwargs))

    handle = base.layers[0].module.register_forward_pre_hook(keep, with_kwargs=True)
    with torch.inference_mode():
        base.module(**batch)
    handle.remove()
    return found[0]


def flops(base, split):
    """Multiplications of a head, and of a neuron, for a mean row (the paper's section 4.1)."""
    hidden = base.family.size(base.module.config, "hidden")
    tokens, size = float(split.lengths.mean()), hidden // base.structure.n_heads
    gates = 3 if base.family.gated_ffn else 2
    return {
        "attention": Cost(tokens * 4 * hidden * size + 2 * tokens**2 * size),
        "ffn": Cost(tokens * gates * hidden),
    }


class Rules:
    """Kwon et al.'s rule and first order, from one look at the rows.

    Args:
        base: the dense model, its last layer for one token alone where that is exact.
        splits: of the task.
        args: of the command.
    """

    def __init__(self, base, splits, args):
        self.base, self.train, self.rows = base, splits["train"], min(args.rows, len(splits["train"]))
        self.inputs, self.turns = Inputs.of(splits["search"]), args.turns
        start = time.perf_counter()
        gradients = mask_gradients(base.copy(), self.train, self.rows)
        self.seconds = time.perf_counter() - start
        whole = base.structure.last if base.structure.first_token_only else None
        self.gradients = {block: found for block, found in gradients.items() if block[0] != whole}
        batch = self.inputs.batches[0]
        self.costs = (
            {what: latency(base, batch, what, args.turns) for what in BLOCKS}
            if args.cost == "latency"
            else flops(base, self.train)
        )
        parts = {"attention": base.structure.n_heads, "ffn": base.structure.ffn_width}
        self.whole = sum(self.costs[what].of(parts[what]) for _, what in self.gradients)

    def structure(self, importance, share, rearranges):
        """What is left at a share of the cost of all."""
        values = {block: importance(found) for block, found in self.gradients.items()}
        gone = search(values, self.costs, share * self.whole)
        if rearranges:
            gone = {block: rearranged(self.gradients[block], parts) for block, parts in gone.items()}
        return without(self.base.structure, gone)

    def as_fast(self, dense, wanted, importance, rearranges):
        """The structure that keeps most of those that measure as fast as is wanted; a slower one, if none did."""
        low, high, best = 0.0, 1.0, None
        for _ in range(STEPS):
            share = (low + high) / 2
            try:
                structure = self.structure(importance, share, rearranges)
            except ValueError:  # less than nearly empty blocks cost
                low = share
                continue
            carved = self.base.copy()
            carved.carve(structure)
            reached = measure.speedup(carved.module, dense.module, self.inputs, self.turns)
            print(f"   {share:.3f} of the cost: {reached:.2f}x", flush=True)
            if reached >= wanted:
                low, best = share, structure
            else:
                high = share
            best = best or structure
        return best

    def made(self, dense, wanted):
        """Name -> what each rule makes at a speed."""
        start = time.perf_counter()
        self.structure(squares, 0.75, True)
        searched = time.perf_counter() - start
        labelled = f"{self.rows} with labels"
        print("Kwon et al.", flush=True)
        structure, found = self.as_fast(dense, wanted, squares, True), {}
        for name in ("kwon", "kwon masks", "kwon mended"):
            subject, start = self.base.copy(), time.perf_counter()
            if name == "kwon mended":
                cut_to(subject, structure, Calibration(self.train, self.rows))
            else:
                subject.carve(structure)
            if name == "kwon":
                print(f"   {tune(subject, self.base, self.train, self.rows)} blocks tuned", flush=True)
            found[name] = Made(subject, self.seconds + searched + time.perf_counter() - start, labelled)
        print("first order", flush=True)
        subject = self.base.copy()
        subject.carve(self.as_fast(dense, wanted, absolute, False))
        return found | {"first order": Made(subject, self.seconds + searched, labelled)}


def squares(gradients):
    """The diagonal of the Fisher information."""
    return gradients.square().mean(0)


def absolute(gradients):
    """How much a row's loss changes when a part goes, by first order, on average."""
    return gradients.abs().mean(0)


def told(name, made, dense_score, splits, timed):
    answers = splits["test"].evaluate(made.subject.copy().module)
    moved = answers.score - dense_score
    speed = timed[name]
    ratio = speed.throughput_b32_per_s / timed["dense"].throughput_b32_per_s
    return {
        "method": name,
        splits["test"].spec.metric_name: round(answers.score, 2),
        "change": round(moved, 2),
        "loss": round(answers.loss, 4),
        "throughput, x dense": round(ratio, 2),
        "rounds, inputs/s": f"{speed.throughput_b32_per_s_low:.0f} to {speed.throughput_b32_per_s_high:.0f}",
        "seconds": round(made.seconds, 1),
        "rows": made.rows,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder with a fine-tuned model")
    parser.add_argument("--task", required=True, help="a registered one, or a YAML file with one")
    parser.add_argument("--speedup", nargs="+", type=float, default=[1.8, 2.3], help="times the dense throughput")
    parser.add_argument("--cost", choices=["latency", "flops"], default="latency", help="what the other rules go by")
    parser.add_argument("--rows", type=int, default=2048, help="training rows of the other rules, the paper's 2K")
    parser.add_argument("--mend-rows", type=int, default=1024, help="training rows of our repair, without labels")
    parser.add_argument("--search", type=int, default=None, help="search rows of our walk; all where missing")
    parser.add_argument("--test-rows", type=int, default=None)
    parser.add_argument("--turns", type=int, default=9, help="of each timing that decides; the shortest counts")
    parser.add_argument("--rounds", type=int, default=15, help="of the last timing, of all in turn")
    args = parser.parse_args()
    dense, splits = opened(args)
    base = dense.copy()
    if dense.reads_first_token_only:
        base.carve(replace(base.structure, first_token_only=True))
    rules, lines = Rules(base, splits, args), []
    print(f"costs: {rules.costs}", flush=True)
    score = splits["test"].evaluate(dense.module).score
    for wanted in args.speedup:
        walked = ours(dense, splits, args, wanted)
        reached = measure.speedup(walked.subject.module, dense.module, rules.inputs, args.turns)
        print(f"ours: {walked.seconds:.1f} s, {reached:.2f}x where {wanted:g}x was wanted", flush=True)
        made = {"ours": walked, **rules.made(dense, reached)}
        models = {"dense": dense.body, **{name: one.subject.body for name, one in made.items()}}
        timed = measure.speed(models, Inputs.of(splits["test"]), args.rounds)
        found = [told(name, one, score, splits, timed) for name, one in made.items()]
        lines += [{"wanted": wanted, **one} for one in found]
        print(f"\nwanted {wanted:g}x; dense {score:.2f}, {len(splits['test'])} test rows\n")
        print("\n".join(table_lines(list(found[0]), [[str(value) for value in one.values()] for one in found])))
    print(json.dumps({"model": args.model, "cost": args.cost, "threads": torch.get_num_threads(), "found": lines}))


if __name__ == "__main__":
    main()
