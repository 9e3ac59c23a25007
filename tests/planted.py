"""Passes that are right, and one fault each that is planted into them. Imports no torch."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
import tempfile
import threading
import warnings
from pathlib import Path

from pydantic import ConfigDict, Field

from axkit import DIFFERENTIABLE, FLOAT_WEIGHTS, FULL_PRECISION, Pass, PassConfig, Result

STRAY = Path(tempfile.gettempdir()) / f"axkit-planted-{os.getpid()}"
KEPT = []  # what planted faults keep alive; emptied after each test
DONE = threading.Event()


class NarrowConfig(PassConfig):
    less: int = Field(4, ge=0, description="Neurons that go from each layer.")


class Narrow(Pass[NarrowConfig]):
    """Right: carves, by weights alone."""

    Config = NarrowConfig

    def apply(self, subject, config, tools):
        structure, lost = subject.structure, 0
        for layer in subject.layers:
            norms = layer.neuron_weights().detach().norm(dim=1)
            kept = norms.topk(len(norms) - config.less).indices.sort().values
            structure, lost = structure.keep_neurons(layer.index, kept.tolist()), lost + config.less
        subject.carve(structure)
        return Result(facts={"removed_neurons": float(lost)})


class Train(Pass[PassConfig]):
    """Right: one step down the gradient of a few rows, drawn by the seed; a line in the journal."""

    Config = PassConfig
    needs = frozenset({"train"})
    trains = True

    def apply(self, subject, config, tools):
        import torch

        dice = torch.Generator().manual_seed(tools.seed)
        rows = torch.randperm(len(tools.train), generator=dice)[:8].tolist()
        batch = tools.train.batch(rows)
        subject.module(**batch.inputs, labels=batch.labels).loss.backward()
        rate = self.rate(tools)
        with torch.no_grad():
            for one in subject.module.parameters():
                if one.grad is not None:
                    one -= rate * one.grad
        subject.module.zero_grad(set_to_none=True)
        return Result(facts={"steps": 1.0})

    def rate(self, tools):
        return 0.01


class Measure(Train):
    """Right: decides by what comes out another way each time, which it notes and reads again."""

    def rate(self, tools):
        noted = tools.journal.read()
        if not noted:
            tools.journal.write(rate=0.01 + secrets.randbelow(10**6) / 1e7)
        return tools.journal.read()[0]["rate"]


class Code(Pass[PassConfig]):
    """Right: weights of the layers as 8-bit codes, in modules of its own."""

    Config = PassConfig
    ends = frozenset({FLOAT_WEIGHTS, DIFFERENTIABLE, FULL_PRECISION})

    def apply(self, subject, config, tools):
        before = size(subject.module)
        state = {"names": [name for name, one in subject.module.named_modules() if "layer" in name and is_linear(one)]}
        self.put(subject, state, empty=False)
        return Result(state=state, facts={"weights_before_bytes": before, "weights_after_bytes": size(subject.module)})

    def restore(self, subject, config, state):
        self.put(subject, state, empty=True)

    def put(self, subject, state, empty):
        from strangers_modules import Coded

        for name in state["names"]:
            parent, _, last = name.rpartition(".")
            linear = subject.module.get_submodule(name)
            setattr(subject.module.get_submodule(parent), last, Coded(linear, empty))


class Scale(Pass[PassConfig]):
    """Right: a module of its own before the head; weights stay as they are."""

    Config = PassConfig
    module = "Scaled"

    def apply(self, subject, config, tools):
        self.restore(subject, config, {})
        return Result(state={"by": 1.5})

    def restore(self, subject, config, state):
        import strangers_modules

        subject.module.classifier = getattr(strangers_modules, self.module)(subject.module.classifier)


class Compare(Pass[PassConfig]):
    """Right: asks the dense model, and changes nothing."""

    Config = PassConfig
    needs = frozenset({"search", "teacher"})

    def apply(self, subject, config, tools):
        import torch

        with torch.inference_mode():
            tools.teacher.module(**tools.search.batch([0, 1]).inputs)
        return Result(note="It only looked.")


RIGHT = (Narrow, Train, Measure, Code, Scale, Compare)


def size(module):
    return float(sum(one.numel() * one.element_size() for one in module.state_dict().values()))


def is_linear(module):
    from torch import nn

    return isinstance(module, nn.Linear)


FAULTS = {}  # what is planted -> (pass, clause, part of its sentence)


def fault(what, clause, said):
    """Note a pass with a fault."""

    def note(pass_class):
        FAULTS[what] = (pass_class, clause, said)
        return pass_class

    return note


def planted(base, what, clause, said):
    """A right pass into which a function is planted, called after its work: (subject, config, tools) -> None."""

    def note(spoil):
        def apply(self, subject, config, tools):
            result = base.apply(self, subject, config, tools)
            changed = spoil(subject, config, tools)
            return result if changed is None else changed

        FAULTS[what] = (type(spoil.__name__, (base,), {"apply": apply, "__module__": __name__}), clause, said)
        return spoil

    return note


@planted(Narrow, "unseeded randomness of numpy", "dice", "unseeded numpy.random; draw from a generator of your own")
def throws(subject, config, tools):
    import numpy

    numpy.random.rand()


@planted(Narrow, "unseeded randomness of its own", "seeded", "another result under the same seed (other weights)")
def draws(subject, config, tools):
    subject.module.classifier.bias.data += random.SystemRandom().random()


@planted(Narrow, "Python's dice seeded for everybody", "reseeds", "seeds random of Python for the whole process")
def seeds(subject, config, tools):
    random.seed(0)


@planted(Narrow, "torch seeded for everybody", "reseeds", "seeds torch with a number of its own")
def seeds_torch(subject, config, tools):
    import torch

    torch.manual_seed(0)


@planted(Narrow, "network", "network", "reached for the network (example.com)")
def calls(subject, config, tools):
    with contextlib.suppress(OSError):  # a polite one: it goes on without
        socket.create_connection(("example.com", 80), timeout=1)


@planted(Narrow, "state that is no JSON", "state", "a state that is no JSON object")
def sets(subject, config, tools):
    return Result(state={"kept": {1, 2}})


@planted(Narrow, "its settings changed", "own-settings", "changed its own settings while it ran")
def sets_itself(subject, config, tools):
    config.__dict__["less"] = 5


@planted(Train, "labels changed", "labels", "changed the labels of train")
def relabels(subject, config, tools):
    tools.train.labels[0] = 1 - tools.train.labels[0]


@planted(Train, "rows changed", "rows", "changed the rows of train")
def shortens(subject, config, tools):
    tools.train.lengths[0] -= 1


@planted(Narrow, "tokenizer changed", "reader", "changed the tokenizer that it was lent; copy it")
def adds_words(subject, config, tools):
    tools.reader.add_tokens(["axkit"])


@fault("dependence on padding", "padding", "beside a longer row; heed the attention mask")
class Centres(Scale):
    def restore(self, subject, config, state):
        import strangers_modules

        inside = subject.module.bert.encoder.layer[2]
        inside.output.dense = strangers_modules.Centred(inside.output.dense)


@planted(Code, "bytes that are not true", "bytes", "and the weights take")
def claims(subject, config, tools):
    names = [name for name, one in subject.module.named_modules() if type(one).__name__ == "Coded"]
    return Result(state={"names": names}, facts={"weights_after_bytes": 0.25 * size(subject.module)})


@planted(Narrow, "removals that are not true", "counts", "returned removed_neurons 99 and the structure has lost 12")
def boasts(subject, config, tools):
    return Result(facts={"removed_neurons": 99.0})


@planted(Train, "left in training mode", "mode", "left the model in training mode (all of it)")
def left_training(subject, config, tools):
    subject.module.train()


@planted(Narrow, "an undeclared loan", "loans", "uses tools.teacher, which it did not declare")
def borrows(subject, config, tools):
    tools.teacher.module.eval()


@planted(Narrow, "a write outside of its scratch", "outside", f"left {STRAY.name} outside of its scratch folder")
def writes(subject, config, tools):
    STRAY.write_text("here I was")


@planted(Narrow, "a write into the working directory", "outside", "left notes.txt outside of its scratch folder")
def writes_here(subject, config, tools):
    Path("notes.txt").write_text("here I was")


@planted(Narrow, "float64", "float64", "left weights in float64 (classifier.bias)")
def widens(subject, config, tools):
    subject.module.classifier.bias.data = subject.module.classifier.bias.data.double()


@planted(Narrow, "NaN in weights that no forward reads", "finite", "token_type_embeddings.weight); mend it")
def spoils(subject, config, tools):
    subject.module.bert.embeddings.token_type_embeddings.weight.data[1] = float("nan")


@fault("traits that end too little", "ends-too-little", "keeps float_weights by what it says, and query of layer 0")
class EndsLittle(Code):
    ends = frozenset({DIFFERENTIABLE, FULL_PRECISION})


@fault("weights that no gradient reaches", "ends-too-little", "keeps differentiable by what it says, and a backward")
class Stops(Scale):
    module = "Stopped"


@fault("traits that end too much", "ends-too-much", "ends float_weights, and the model it left still has it")
class EndsMuch(Narrow):
    ends = frozenset({FLOAT_WEIGHTS})


@fault("a training that prunes", "trains", "says trains = True and changed more than weights")
class Prunes(Narrow):
    trains = True


@fault("settings that take any key", "settings", "takes keys it does not know")
class Loose(Narrow):
    class Config(NarrowConfig):
        model_config = ConfigDict(extra="allow")


@fault("settings that can be changed", "settings", "a Config that can be changed")
class Soft(Narrow):
    class Config(NarrowConfig):
        model_config = ConfigDict(frozen=False)


@fault("needs that nobody lends", "words", "needs 'test', and there is nothing of that name to be lent")
class Wants(Narrow):
    needs = frozenset({"test"})


@planted(Compare, "the dense model changed", "dense", "changed the dense model, which it was only lent")
def meddles(subject, config, tools):
    tools.teacher.module.classifier.bias.data += 1


@planted(Compare, "a hook left on the dense model", "dense", "left hooks on the dense model")
def watches(subject, config, tools):
    tools.teacher.module.register_forward_hook(lambda *_: None)


def _double(module, given, made):
    return 2 * made


@fault("a result that is not saved as it was measured", "saved", "whose reloaded logits differ by")
class Forgets(Narrow):
    def apply(self, subject, config, tools):
        result = super().apply(subject, config, tools)
        subject.module.dropout.register_forward_hook(_double)
        return result


@planted(Narrow, "a module of its own and no state", "structure", "left a Doubled in the place of a Dropout (dropout)")
def replaces(subject, config, tools):
    import strangers_modules

    subject.module.dropout = strangers_modules.Doubled()


@fault("a state and no restore", "restorable", "returns a state and has no restore")
class Leaves(Scale):
    def apply(self, subject, config, tools):
        Scale.restore(self, subject, config, {})
        return Result(state={"by": 1.5})

    restore = Pass.restore


@fault("a restore that eats its state", "state-kept", "changes in restore the state that it is given")
class Eats(Code):
    def restore(self, subject, config, state):
        super().restore(subject, config, {"names": [state["names"].pop(0) for _ in list(state["names"])]})


@planted(Compare, "carved by hand", "structure", "remove parts with subject.carve alone")
def cuts(subject, config, tools):
    from torch import nn

    for one in (subject.layers[0].ffn_in, subject.layers[0].ffn_out):
        one.weight = nn.Parameter(one.weight.detach()[: len(one.weight) - 4, :])


@planted(Compare, "a structure that was not carved", "structure", "is not what its structure says")
def only_says(subject, config, tools):
    subject.structure = subject.structure.without_heads(0, [1])


@planted(Narrow, "a fact that is no number", "facts", "returned fact 'gain_ratio', which is no finite number (inf)")
def divides(subject, config, tools):
    return Result(facts={"gain_ratio": float("inf")})


@planted(Narrow, "a fact without a unit", "units", "returned fact 'size', whose name has no unit")
def measures(subject, config, tools):
    return Result(facts={"size": 3.0})


@planted(Narrow, "torch's default dtype", "switches", "left torch's default dtype at torch.float64")
def doubles(subject, config, tools):
    import torch

    torch.set_default_dtype(torch.float64)


@planted(Narrow, "torch's threads", "switches", "left torch's number of threads at 2, which was 1")
def threads_more(subject, config, tools):
    import torch

    torch.set_num_threads(2)


@planted(Narrow, "the environment", "environment", "left another AXKIT_PLANTED in os.environ")
def exports(subject, config, tools):
    os.environ["AXKIT_PLANTED"] = "1"


@planted(Narrow, "filters of warnings", "warnings", "left other filters of warnings")
def hushes(subject, config, tools):
    warnings.simplefilter("ignore", category=ResourceWarning)


@planted(Narrow, "a function of torch replaced", "patches", "left another function in the place of torch.nn.functional")
def patches(subject, config, tools):
    import torch

    real = torch.nn.functional.gelu
    torch.nn.functional.gelu = lambda *args, **kwargs: real(*args, **kwargs)


@planted(Narrow, "a method of the model's class replaced", "patches", "in the place of BertForSequenceClassification")
def patches_class(subject, config, tools):
    kind = type(subject.module)
    real = kind.forward
    kind.forward = lambda *args, **kwargs: real(*args, **kwargs)


@fault("Tools kept on the pass", "keeps", "keeps the Tools that it was lent")
class Keeps(Narrow):
    def apply(self, subject, config, tools):
        self.tools = tools
        return super().apply(subject, config, tools)


@planted(Narrow, "Tools kept on a module", "keeps", "keeps the Tools that it was lent")
def pockets(subject, config, tools):
    subject.module.__dict__["tools"] = tools


@planted(Narrow, "gradients left", "gradients", "left a gradient on a weight")
def leaves_gradients(subject, config, tools):
    import torch

    subject.module.classifier.bias.grad = torch.zeros(2)


@planted(Narrow, "weights left frozen", "frozen", "left weights that take no gradients any more (classifier.bias)")
def freezes(subject, config, tools):
    subject.module.classifier.bias.requires_grad_(False)


@planted(Narrow, "a hook left", "hooks", "left a hook on a module (classifier)")
def hangs(subject, config, tools):
    subject.module.classifier.register_forward_hook(lambda *_: None)


@planted(Narrow, "a file left open", "files", "left a file open")
def opens(subject, config, tools):
    KEPT.append(open(tools.scratch / "rows.txt", "w"))  # noqa: SIM115  # that is the fault


@planted(Narrow, "a thread left running", "threads", "left a thread running")
def starts(subject, config, tools):
    KEPT.append(threading.Thread(target=DONE.wait, daemon=True))
    KEPT[-1].start()


@fault("another result when it goes on", "resumed", "another result when it went on from its journal and scratch")
class Restarts(Measure):
    def rate(self, tools):
        tools.journal.write(rate=0.01 * (1 + len(tools.journal.read())))
        return tools.journal.read()[-1]["rate"]


@fault("a journal that it cannot read", "resumed", "fails when it goes on from its journal and scratch")
class CannotGoOn(Measure):
    def rate(self, tools):
        assert not tools.journal.read(), "a first run"
        return super().rate(tools)


@planted(Narrow, "what a copy shares", "undo", "changed the family's data, which every model of it shares")
def shares(subject, config, tools):
    subject.family.limits["narrow"] = "was here"


@fault("nothing done, and nothing said", "silent", "changed nothing and its note does not say so")
class Silent(Narrow):
    def apply(self, subject, config, tools):
        return Result()


@planted(Narrow, "no Result", "result", "returned a value of type 'dict' from apply")
def returns(subject, config, tools):
    return {"facts": {}}


@fault("settings that no recipe can say", "recipe", "fails in a recipe, in the plan")
class Unsayable(Narrow):
    class Config(NarrowConfig):
        widths: tuple[int, ...] = Field((1, 2), description="A tuple: YAML has lists.")


@fault("settings that are others each time", "finished", "never found finished")
class Salted(Narrow):
    class Config(NarrowConfig):
        salt: int = Field(default_factory=lambda: secrets.randbits(30), description="Another one each time.")
