"""Checkpoints of every family, whole and pruned and quantized: damaged in their files, headers, configs and trails."""

from __future__ import annotations

import random
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reliability import spoil_content as content
from reliability import spoil_files as disk

NAME, COUNT = "checkpoints", 3000
MOST_BYTES = 1 << 30  # that a case may take beyond what the process had
FAMILIES = (
    "albert",
    "bert",
    "camembert",
    "deberta-v2",
    "distilbert",
    "electra",
    "gpt2",
    "modernbert",
    "roberta",
    "vit",
)
WAYS: dict[Callable[[random.Random, Path], str], int] = {
    content.spoil_json: 8,
    content.set_evil: 5,
    content.spoil_header: 4,
    content.spoil_tensors: 6,
    content.spoil_manifest: 3,
    disk.spoil_bytes: 3,
    disk.change_kind: 3,
    disk.spoil_index: 2,
    disk.put_beside: 1,
}


def prepare(folder: Path) -> list[Path]:
    """Good folders: each family with a head, some without, and what axkit makes of some."""
    from axkit.anatomy.family import family_of
    from axkit.contract.subject import Subject, TrailStep
    from axkit.contract.tools import Tools
    from axkit.ground.quiet import quiet
    from axkit.runtimes.folder import save
    from axkit.tasks.about import About
    from axkit.testing import lend, tiny_reader, tiny_subject
    from axkit_plugins.quantize.int4_vsq import Int4Vsq
    from axkit_plugins.quantize.int8 import Int8

    def put(name: str, subject: Subject) -> None:
        made = folder / name
        made.mkdir()
        save(subject, tiny_reader(subject.family), made, About(label_names=("no", "yes")))

    def passed(name: str, family: str, runner: Any, cut: bool) -> None:
        subject = tiny_subject(family_of(family))
        if cut:
            subject.carve(subject.structure.without_ffn(0).without_heads(1, [2]))
        scratch = folder.parent / f"scratch-{name}"
        scratch.mkdir()
        tools: Tools = lend(scratch, family=subject.family)
        config = runner.Config()
        result = runner.apply(subject, config, tools)
        subject.trail = (TrailStep(name.split("-")[0], "axkit 0", config.model_dump(), result.state, result.facts),)
        put(name, subject)
        shutil.rmtree(scratch)

    for family in FAMILIES:
        put(family, tiny_subject(family_of(family)))
    for family in ("bert", "gpt2", "roberta"):
        made = folder / f"base-{family}"
        with quiet():
            tiny_subject(family_of(family)).module.base_model.save_pretrained(made)
        tiny_reader(family_of(family)).save_pretrained(made)
    for family in ("bert", "gpt2", "vit"):
        subject = tiny_subject(family_of(family))
        subject.carve(subject.structure.without_ffn(0).without_heads(1, [2]).without_neurons(2, range(3, 9)))
        put(f"pruned-{family}", subject)
    passed("int8-bert", "bert", Int8(), cut=False)
    passed("int8-distilbert", "distilbert", Int8(), cut=True)
    passed("int4_vsq-bert", "bert", Int4Vsq(), cut=True)
    return sorted(path for path in folder.iterdir() if path.is_dir())


def mutate(rng: random.Random, base: list[Path], folder: Path) -> str:
    """One of them in ``model``, damaged once or twice; half of those with a manifest have its hashes made right."""
    chosen = rng.choice(base)
    model = folder / "model"
    shutil.copytree(chosen, model)
    ways = rng.choices(list(WAYS), list(WAYS.values()), k=rng.choice((1, 1, 2)))
    said = [way(rng, model) for way in ways]
    if rng.random() < 0.7:
        content.hash_again(model)
    return f"{chosen.name}: {'; '.join(said)}"[:300]


def use(folder: Path) -> None:
    """Open it as ``axkit apply`` does, then as ``eval`` and ``predict`` do, and ask it about a row."""
    from axkit.ground.errors import AxkitError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = None
    for way in (_as_apply, _as_eval):
        try:
            way(folder / "model")
        except AxkitError as error:
            refused = error
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown <= MOST_BYTES, f"it took {grown >> 20} MB more"
    if refused is not None:
        raise refused


def _as_apply(folder: Path) -> None:
    from axkit.anatomy.family import family_of
    from axkit.checkpoint.sources import check_reader, local_folder, read_config
    from axkit.runtimes.limits import token_limit
    from axkit.runtimes.torch.opening import open_for_task, open_reader
    from axkit.tasks.kinds.known import KINDS

    local_folder(str(folder))
    check_reader(folder)
    config = read_config(folder)
    family = family_of(config["model_type"])
    kind = KINDS["classification" if family.inputs == "tokens" else "image_classification"]
    reader = open_reader(folder, family)
    if not config["model_type"].startswith("axkit_"):  # planning refuses those
        module = open_for_task(folder, kind, 2, ["no", "yes"], 0)
        _ask(module, reader, token_limit(reader, module.config, family))


def _as_eval(folder: Path) -> None:
    from axkit.runtimes.folder import load_subject
    from axkit.runtimes.limits import token_limit
    from axkit.runtimes.torch.opening import open_reader

    subject = load_subject(folder)
    reader = open_reader(folder, subject.family)
    _ask(subject.module, reader, token_limit(reader, subject.module.config, subject.family))


def _ask(module: Any, reader: Any, limit: int) -> None:
    import torch

    if hasattr(reader, "values"):
        import numpy as np

        inputs = {"pixel_values": torch.from_numpy(reader.values(np.zeros((1, *reader.shape), np.uint8)))}
    else:
        text = "the film was good and very bad " * 30
        inputs = dict(reader(text, "a play", truncation=True, max_length=limit, return_tensors="pt"))
    with torch.inference_mode():
        module(**inputs)
