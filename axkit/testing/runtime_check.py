"""``check_runtime``: a body is held to its contract on the rows that it is asked about."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from axkit.checkpoint.weights import is_plain
from axkit.contract.body import MEMBERS, Body
from axkit.contract.manifest import Manifest
from axkit.contract.subject import Subject
from axkit.ground.errors import AxkitError
from axkit.ground.pickles import is_pickle
from axkit.runtimes.golden import at_tokens
from axkit.runtimes.known import keeps_model
from axkit.runtimes.torch.body import TorchBody
from axkit.runtimes.torch.view import fence
from axkit.testing.looks import say
from axkit.testing.tiny import tiny_split

_KEPT = 5e-2  # of the largest answer: a body may compute what is kept in fewer bits
ALONE = 1e-4  # of answers: a row by itself and in a batch; kernels sum in another order there
Answers = list[dict[str, Tensor]]


def check_runtime(subject: Subject, inputs: Sequence[Mapping[str, Tensor]] | None = None) -> None:
    """Hold a body of any runtime to its contract; nothing need be registered.

    Args:
        subject: whose body is checked; left as it is.
        inputs: batches that it can answer, of several rows each; None: token ids of a tiny model.

    Raises:
        AssertionError: with the clause that was not kept, and what to mend.
    """
    body = subject.body
    asked = list(inputs) if inputs is not None else [batch.inputs for batch in tiny_split(24).batches(8)]
    _check_members(body)
    answers = _check_answers(body, asked)
    _check_copy(body, asked, answers)
    manifest = Manifest(subject.structure, subject.trail, runtime=body.runtime, keeps_model=keeps_model(body))
    with tempfile.TemporaryDirectory() as place:
        outer = Path(place).resolve()
        files = _check_saved(body, outer / "saved", manifest)
        _same(answers, _asked(body, asked), "saving changes what it answers; mend save")
        moved = (outer / "saved").rename(outer / "moved")
        again = type(body).load(moved, manifest)
        say(again.runtime == body.runtime, f"load gives a body of the runtime '{again.runtime}'; mend it")
        _same(answers, _asked(again, asked), "what was saved and loaded answers otherwise; mend save or load")
        if manifest.keeps_model:
            _check_kept(moved, manifest, asked, answers)
        say(again.values() == body.values(), "what was loaded stores another number of values; mend values or load")
        _check_damaged(type(body), moved, files, manifest, asked, answers)


def _check_kept(folder: Path, manifest: Manifest, asked: Sequence[Mapping[str, Tensor]], answers: Answers) -> None:
    try:
        kept = TorchBody.load(folder, manifest)
    except AxkitError as error:
        say(False, f"it says keeps_model, and no transformers model is in its folder ({error}); write one, or say not")
    masks = [inputs["attention_mask"].bool() for inputs in asked if "attention_mask" in inputs]
    theirs = _asked(kept, asked)
    for name in answers[0]:
        shown = (at_tokens([one[name] for one in some], masks) for some in (answers, theirs))
        for here, there in zip(*shown, strict=True):
            far = float((here - there).abs().max()) > _KEPT * (1 + float(here.abs().max()))
            say(not far, "the model that its folder keeps answers otherwise; keep the one that the body computes")


def _check_members(body: Any) -> None:
    lacking = [name for name in MEMBERS if not hasattr(body, name)]
    say(not lacking, f"the body lacks {', '.join(lacking)}; see axkit.Body")
    say(isinstance(body.runtime, str) and is_plain(body.runtime), "runtime is no plain name; set a class attribute")
    say("runtime" not in vars(body), "runtime differs between bodies of one class; set a class attribute")
    config = body.config
    say(isinstance(config, Mapping), "config is no mapping; give config.json of the model as it was")
    try:
        json.dumps(dict(config), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"config is no JSON ({error}); give plain values") from error
    for name in ("model_type", "architectures"):
        say(bool(config.get(name)), f"config has no {name}, by which a folder is opened; keep the other body's config")
    count = body.values()
    say(type(count) is int and count >= 0, f"values gives {count!r}, no whole number; count what is stored")
    say(body.wait() is None, "wait gives something; it only waits")


def _check_answers(body: Body, asked: Sequence[Mapping[str, Tensor]]) -> Answers:
    """What it answers, twice alike, whatever batch a row is in."""
    before = [{name: tensor.clone() for name, tensor in batch.items()} for batch in asked]
    answers = _asked(body, asked)
    for batch, was, named in zip(asked, before, answers, strict=True):
        untouched = all(torch.equal(batch[name], tensor) for name, tensor in was.items())
        say(untouched and batch.keys() == was.keys(), "answer changes the inputs; work on copies")
        rows = len(next(iter(batch.values())))
        say(bool(named), "answer gives nothing; name its outputs, such as 'logits'")
        for name, tensor in named.items():
            say(tensor.device.type == "cpu", f"'{name}' is on {tensor.device}, not on the CPU; move what is answered")
            say(not tensor.requires_grad, f"'{name}' carries gradients; answer without them")
            say(len(tensor) == rows, f"'{name}' has {len(tensor)} rows for {rows}; answer each")
            say(bool(torch.isfinite(tensor).all()), f"'{name}' is not finite")
    _same(answers, _asked(body, asked), "the same question is answered otherwise the second time; draw nothing")
    for batch, named in zip(asked, answers, strict=True):
        alone = _asked(body, [{name: tensor[:1] for name, tensor in batch.items()}])[0]
        gap = max(float((alone[name].float() - named[name][:1].float()).abs().max()) for name in named)
        say(gap <= ALONE, f"a row by itself is answered otherwise than in a batch (by {gap:.2g}); rows are independent")
    return answers


def _check_copy(body: Body, asked: Sequence[Mapping[str, Tensor]], answers: Answers) -> None:
    copied = body.copy()
    say(copied is not body and type(copied) is type(body), "copy gives no other body of its class; mend it")
    _same(answers, _asked(copied, asked), "a copy answers otherwise; mend copy")
    for tensor in _tensors(copied):
        with torch.no_grad():
            tensor.zero_()
    _same(answers, _asked(body, asked), "what is done to a copy's tensors shows in the body; copy them too")


def _check_saved(body: Body, folder: Path, manifest: Manifest) -> list[Path]:
    """Its files: listed, in the folder, no pickles, and nothing elsewhere."""
    folder.mkdir()
    here, around = _tree(Path.cwd()), _tree(folder.parent)
    listed = [Path(path) for path in body.save(folder, manifest)]
    say(bool(listed), "save lists no file; return what it writes")
    for path in listed:
        inside = path.parent.resolve() == folder and path.is_file() and not path.is_symlink()
        say(inside, f"save lists {path}, which is no file in the folder; write there")
        say(not is_pickle(path), f"save writes {path.name}, a pickle, which can run code; write safetensors or JSON")
    new = _tree(folder.parent) - around - {path.relative_to(folder.parent).as_posix() for path in listed}
    say(not new, f"save writes '{min(new, default='')}' and does not list it, so that nobody hashes or counts it")
    strewn = _tree(Path.cwd()) - here
    say(not strewn, f"save writes '{min(strewn, default='')}' into the working directory; write into the folder")
    if not (folder / "config.json").exists():  # as axkit does
        (folder / "config.json").write_text(json.dumps(dict(body.config)), encoding="utf-8")
    return listed


def _check_damaged(
    made: type[Body],
    folder: Path,
    files: Sequence[Path],
    manifest: Manifest,
    asked: Sequence[Mapping[str, Tensor]],
    answers: Answers,
) -> None:
    """Without one of its files it says no, or answers as before; axkit makes a sentence of any error."""
    for path in (folder / one.name for one in files):
        whole = path.read_bytes()
        path.unlink()
        try:
            with fence(folder, "does not load", "copy the whole folder again"):  # as axkit loads it
                again = _asked(made.load(folder, manifest), asked)
        except AxkitError:
            continue
        except SystemExit as error:
            raise AssertionError(f"load ends the process without {path.name} ({error!r}); raise an error") from error
        finally:
            path.write_bytes(whole)
        _same(answers, again, f"load takes a folder without {path.name} and answers otherwise; raise CheckpointError")


def _asked(body: Body, asked: Sequence[Mapping[str, Tensor]]) -> Answers:
    found: Answers = []
    for batch in asked:
        outputs = body.answer(batch)
        say(isinstance(outputs, Mapping), f"answer gives a {type(outputs).__name__}, no mapping of names to tensors")
        body.wait()
        found.append({name: one.clone() for name, one in outputs.items() if isinstance(one, Tensor)})
    return found


def _same(one: Answers, other: Answers, clause: str) -> None:
    for a, b in zip(one, other, strict=True):
        say(a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a), clause)


def _tensors(value: Any, depth: int = 4) -> Iterator[Tensor]:
    """What can be found of a body's numbers, to be spoiled."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, torch.nn.Module):
        yield from value.state_dict().values()
    elif depth and isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each, depth - 1)
    elif depth and isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each, depth - 1)
    elif depth and hasattr(value, "__dict__") and not isinstance(value, type):
        yield from _tensors(vars(value), depth - 1)


def _tree(folder: Path) -> set[str]:
    """Every file below a folder, by its path; of a large one the top alone."""
    found: set[str] = set()
    for place, folders, names in os.walk(folder):
        found |= {(Path(place) / name).relative_to(folder).as_posix() for name in names}
        if len(found) > 10_000:
            folders.clear()
    return found
