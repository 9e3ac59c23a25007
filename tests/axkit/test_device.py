"""What a device is taken for; no GPU is needed, torch's answers about one are put in its mouth."""

import pytest
import torch
from conftest import write_trained_model
from torch import nn

from axkit.contract.trail import TrailStep
from axkit.finished.opened import device_for
from axkit.ground import stopwatch
from axkit.ground.device import CPU, Device, copied_to, device_of, enough_memory, exact_floats, moved, moved_all
from axkit.ground.errors import DeviceError
from axkit.ground.fields import Fields
from axkit.ground.target import Target
from axkit.report.run_folder import machine
from axkit.run.planning import plan
from axkit.run.recipe import load_source
from axkit.run.report import Machine
from axkit.testing import tiny_split, tiny_subject


@pytest.fixture
def gpus(monkeypatch):
    """So many GPUs of a compute capability, and nothing computed on them."""

    def there(count, capability=(9, 0), fault=""):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(count))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tiny GPU")
        monkeypatch.setattr("axkit.ground.device._fault", lambda _: fault)
        for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"):
            monkeypatch.delenv(name, raising=False)

    return there


@pytest.mark.parametrize("text", ["", "gpu!", "CUDA", "cuda:", "cpu:x", "quantum", "a\nb"])
def test_what_is_no_device_is_refused_with_the_way_out(text):
    with pytest.raises(DeviceError, match="give auto, cpu, cuda or cuda:N"):
        Device.of(text)


def test_auto_is_the_cpu_where_there_is_no_gpu(gpus):
    gpus(0)
    assert Device.of() == Device.of("cpu") == CPU
    with pytest.raises(DeviceError, match=r"no GPU here .* give --device cpu"):
        Device.of("cuda")


def test_a_gpu_that_computes_nothing_is_none_for_auto_and_a_sentence_by_name(gpus):
    gpus(1, fault="CUDA error: no kernel image is available for execution on the device")
    with pytest.warns(UserWarning, match=r"cuda:0 is there, and fails \(CUDA error: no kernel image.*the CPU computes"):
        assert Device.of() == CPU
    with pytest.raises(DeviceError, match=r"cuda:0 \(Tiny GPU\) fails .* give --device cpu"):
        Device.of("cuda")


def test_each_process_takes_a_gpu_of_its_own(gpus, monkeypatch):
    gpus(2)
    assert Device.of() == Device.of("cuda") == Device("cuda:0")
    assert Device.of("cuda:1").name == "cuda:1"
    with pytest.raises(DeviceError, match="no cuda:2, only 2 GPUs"):
        Device.of("cuda:2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert Device.of("cuda").name == Device.of("auto").name == "cuda:1"
    with pytest.raises(DeviceError, match="without a number"):
        Device.of("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert Device.of("auto") == CPU, "two processes must not share one unasked"
    with pytest.raises(DeviceError, match="3 processes and 2 GPUs here; start 2"):
        Device.of("cuda")


@pytest.mark.parametrize(("capability", "half"), [((9, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), None)])
def test_abilities_are_those_of_that_device(gpus, monkeypatch, capability, half):
    gpus(1, capability)
    monkeypatch.delenv("AXKIT_BFLOAT16", raising=False)
    monkeypatch.setattr("axkit.ground.cpu.has_bfloat16", lambda: half is None)
    found = Device.of("cuda")
    assert (found.has_bfloat16, found.half, found.title) == (half == "bfloat16", half, "Tiny GPU")
    assert CPU.has_bfloat16 == (half is None)
    assert CPU.half == ("bfloat16" if half is None else None)
    monkeypatch.setenv("AXKIT_BFLOAT16", "0")
    assert not found.has_bfloat16


def test_a_full_memory_is_a_sentence_with_the_way_out(gpus):
    gpus(1)
    with (
        pytest.raises(DeviceError, match=r"memory of cpu .* is full: give a smaller batch_size"),
        enough_memory(CPU, "give a smaller batch_size"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(DeviceError, match="memory of this machine"), enough_memory(CPU, "take fewer rows"):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
    with pytest.raises(RuntimeError, match="a bug"), enough_memory(CPU, "take fewer rows"):
        raise RuntimeError("a bug")


def test_float32_is_float32_while_a_gpu_computes_and_as_before_afterwards(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with exact_floats(Device("cuda:0")):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32


def test_a_model_lent_a_device_comes_back_with_the_same_weights(plain_family):
    module = tiny_subject(plain_family).module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    moves = []
    real = module.to
    module.to = lambda where: moves.append(where) or real(where)
    with CPU.holding(module):
        assert not moves, "it is there already: an int8 model would pack its weights anew"
    del module.to
    moves.clear()
    there = torch.nn.Linear(2, 2, device="meta")
    with pytest.raises(ZeroDivisionError), Device("meta:0").holding(there):
        there.to = moves.append
        _ = 1 / 0
    assert moves == ["meta"], "back where it was, whatever happened"
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert copied_to(CPU, module) is module
    assert device_of(copied_to(Device("meta"), module)) == Device("meta")
    assert device_of(module) == CPU


def test_inputs_go_where_the_model_is_and_labels_stay():
    batch = tiny_split(4).batch(range(4))
    assert batch.on(CPU) is batch
    there = batch.on(Device("meta"))
    assert {value.device.type for value in there.inputs.values()} == {"meta"}
    assert there.labels is batch.labels
    assert moved({"return_dict": True, **batch.inputs}, Device("meta"))["return_dict"] is True


def test_a_call_on_a_device_is_warmed_up_and_repeated_for_ten_milliseconds(monkeypatch):
    clock, calls, waits = iter(range(10**6)), [], []
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: next(clock) * 1e-3)  # each look takes a millisecond
    monkeypatch.setattr(Device, "wait", lambda self: waits.append(len(calls)))
    taken = stopwatch.timed(Device("other:0"), lambda: calls.append(1))
    assert len(calls) == 3 + 5
    assert waits == [2, 3, 8], "one wait behind all repeats, so that the device never idles for it"
    assert taken.seconds == pytest.approx(2e-4)
    assert taken.host_s == pytest.approx(1e-3), "of the one call that found the device idle"
    assert not stopwatch.Taken(1.0, 0.7).bound_by_launches
    assert stopwatch.Taken(1.0, 0.9).bound_by_launches
    calls.clear()
    assert stopwatch.timed(CPU, lambda: calls.append(1)).seconds == pytest.approx(1e-3)
    assert len(calls) == 1


def test_what_cannot_serve_the_target_is_refused_in_the_plan_with_what_can(workplace, run):
    code, _, said = run("plan", "recipe.yaml", "--set", "target={device: cuda}")
    assert code == 2
    assert "recipe.yaml, line" in said
    assert "what 'int8' makes runs on cpu alone, and the target is cuda; take bf16" in said
    source = load_source("recipe.yaml", ["target={device: cpu, batch: 8}"])
    assert plan(source).recipe.target == Target(batch=8)


@pytest.mark.parametrize("target", ["{device: CUDA}", "{dtype: int8}", "{batch: 0}", "{runtime: onnxruntime}", "gpu"])
def test_a_target_that_is_none_is_one_sentence(workplace, run, target):
    code, _, said = run("plan", "recipe.yaml", "--set", f"target={target}")
    assert code == 2
    assert said.startswith("error: --set target")


def test_a_target_that_is_not_here_is_refused_before_anything_is_read(workplace, run, gpus):
    gpus(0)
    text = (workplace / "recipe.yaml").read_text().partition("  - pass: int8")[0]
    (workplace / "recipe.yaml").write_text(text)
    code, _, said = run("apply", "recipe.yaml", "--set", "target={device: cuda}")
    assert code == 2
    assert "no GPU here" in said
    code, _, said = run("apply", "recipe.yaml", "--device", "cuda:7")
    assert code == 2
    assert "no GPU here" in said
    assert not list((workplace / "runs").rglob("stage.json"))


def test_what_int8_made_is_asked_on_the_cpu_wherever_the_rest_is(plain_family, gpus):
    gpus(1)
    subject = tiny_subject(plain_family)
    assert device_for(subject, "auto") == Device("cuda:0")
    subject.passed(TrailStep("int8", "axkit 0"))
    assert device_for(subject, "auto") == device_for(subject, "cpu") == CPU
    with pytest.raises(DeviceError, match="what 'int8' made runs on cpu alone; give --device cpu"):
        device_for(subject, "cuda")


@pytest.mark.parametrize("command", [("eval",), ("bench",), ("predict", "a text")])
def test_a_finished_folder_is_asked_on_a_device_that_is_there(tmp_path, run, gpus, command):
    gpus(0)
    write_trained_model(tmp_path / "model")
    code, _, said = run(command[0], str(tmp_path / "model"), *command[1:], "--device", "cuda")
    assert code == 2
    assert "no GPU here" in said or "says nothing of a task" in said
    if command[0] == "predict":
        assert run("predict", str(tmp_path / "model"), "a text", "--device", "cpu")[0] == 0


def test_a_report_names_the_gpus(gpus):
    gpus(0)
    assert "gpu" not in machine().to_json()
    gpus(2)
    found = machine()
    assert found.gpu == "Tiny GPU, Tiny GPU"
    assert Machine.from_json(Fields(found.to_json(), "report.json")) == found


class _Scaled(nn.Linear):
    """As bitsandbytes has it: one scale hangs on the weight, the other only this class's own `to` would move."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.weight.scale = torch.ones(2)
        self.state = [torch.ones(2)]

    def to(self, *args, **kwargs):
        self.state = [one.to(*args, **kwargs) for one in self.state]
        return super().to(*args, **kwargs)


def test_a_module_moves_with_what_module_to_leaves_behind():
    whole = nn.Sequential(nn.Sequential(_Scaled()))
    part = whole[0][0]
    assert moved_all(whole, Device("meta")) is whole
    assert {part.weight.device.type, part.weight.scale.device.type, part.state[0].device.type} == {"meta"}
