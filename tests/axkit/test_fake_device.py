"""Nothing stays on the CPU that has to be on the device: shown without one (see ``fake_device``)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from packaging.version import Version
from torch.utils import backend_registration

TESTS = Path(__file__).parents[1]
# what the area has to come to at least: an import that fails, or a list that shrinks, would show nothing
AREAS = {"models": 27, "quantized": 96, "quantizers": 8, "search": 9, "training": 11, "bert-base": 1}
OLD = Version(torch.__version__) < Version("2.13")  # its tensors without numbers ask for one in more places

BACKEND = "_setup_privateuseone_for_python_backend"  # experimental, says torch


@pytest.mark.skipif(not hasattr(backend_registration, BACKEND), reason="this torch has no backends in Python")
@pytest.mark.parametrize("area", AREAS)
def test_no_devices_are_mixed(area):
    """The backend is registered for a whole process: each area has its own."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        [sys.executable, str(TESTS / "fake_device.py"), area],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        timeout=600,
    )
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert len(told) >= AREAS[area]
    faults = {name: said for name, said in told.items() if said and not (OLD and "GuardOnDataDependent" in said)}
    assert not faults, "\n".join(f"{name}: {said}" for name, said in faults.items())
