"""The runs of a sweep on Ray, each a task in a process of its own; a killed one is started again."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from axkit.ground.errors import AxkitError, PluginError
from axkit.ground.extras import way_to
from axkit.ground.progress import Progress
from axkit.ground.quota import usable
from axkit.sweep.plan import PlannedRun
from axkit.sweep.run import Outcome, as_outcome, run_here

_OBJECT_STORE_BYTES = 100 * 2**20  # plain dicts go to and fro, no tensors
_REACHABLE_S = 10.0
_WAY_OUT = "check --address; a cluster that asks for a token needs RAY_AUTH_MODE=token, and its token, here too"
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leave CUDA_VISIBLE_DEVICES as the user set it
}


@dataclass(frozen=True)
class OnRay:
    """Runs on a Ray cluster, or on a Ray that is started here and ended afterwards.

    Attributes:
        address: of a cluster, as ``ray.init`` takes it (``auto``, ``ray://...``); None starts a local Ray.
        workers: runs at a time; None is one per machine of a cluster, and two on a local Ray.
        retries: how often a run is started again after its process was killed.

    Raises:
        PluginError: ray is not installed.
    """

    address: str | None = None
    workers: int | None = None
    retries: int = 2

    def __post_init__(self) -> None:
        if find_spec("ray") is None:
            raise PluginError(f"a sweep on Ray needs ray, which is not installed: {way_to('ray')}")

    def __call__(
        self, runs: Sequence[PlannedRun], progress: Progress, told: Callable[[Outcome], None]
    ) -> list[Outcome]:
        """Make the runs; see ``axkit.sweep.run.run_in_sequence``."""
        with _connected(self.address, self.workers) as ray:
            workers, cpus = self._share(ray)
            progress.say(f"On Ray, {workers} runs at a time, {cpus:g} processors each")
            # a process per run: what one leaves in memory, or breaks, is no matter to the next
            remote = ray.remote(num_cpus=cpus, max_retries=0, max_calls=1, scheduling_strategy="SPREAD")(run_here)
            return _Turns(ray, remote, workers, self.retries, progress, told).make(runs)

    def _share(self, ray: Any) -> tuple[int, float]:
        """(runs at a time, processors of each): no machine gets more threads than it has processors."""
        machines = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
        machines = [processors for processors in machines if processors]
        if not machines:
            raise AxkitError(f"the Ray cluster at {self.address} has no processors; give it workers")
        workers = self.workers or (2 if self.address is None else len(machines))
        return workers, max(1.0, min(*machines, sum(machines) // workers))


class _Turns:
    """Keeps so many runs going, and starts killed ones again."""

    def __init__(
        self,
        ray: Any,
        remote: Any,
        workers: int,
        retries: int,
        progress: Progress,
        told: Callable[[Outcome], None],
    ) -> None:
        self.ray, self.remote, self.workers, self.retries = ray, remote, workers, retries
        self.progress, self.told = progress, told
        self.going: dict[Any, tuple[PlannedRun, int]] = {}  # reference -> run, attempt

    def make(self, runs: Sequence[PlannedRun]) -> list[Outcome]:
        waiting = deque((run, 1) for run in runs)
        outcomes = []
        while waiting or self.going:
            while waiting and len(self.going) < self.workers:
                self._start(*waiting.popleft())
            ready, _ = self.ray.wait(list(self.going), num_returns=1)
            run, attempt = self.going.pop(ready[0])
            outcome = self._outcome(ready[0], run, attempt)
            if outcome is None:
                waiting.append((run, attempt + 1))
                continue
            outcomes.append(outcome)
            self.told(outcome)
        return outcomes

    def _start(self, run: PlannedRun, attempt: int) -> None:
        self.progress.say(f"{run.name}: started" + (f", attempt {attempt}" if attempt > 1 else ""))
        self.going[self.remote.remote(run.to_json(), os.getcwd())] = run, attempt

    def _outcome(self, reference: Any, run: PlannedRun, attempt: int) -> Outcome | None:
        """What became of a run; None where it is to be started again."""
        errors = self.ray.exceptions
        try:
            return replace(as_outcome(run, self.ray.get(reference)), attempts=attempt, at_a_time=self.workers)
        except errors.RayTaskError as error:  # not killed: it would fail again
            return Outcome(run, "crashed", str(error).strip().splitlines()[-1], str(error), attempt)
        except errors.RayError as error:
            cause = f"{type(error).__name__}: its process was killed, or its machine was lost"
        if attempt <= self.retries:
            self.progress.say(f"{run.name}: {cause}; it is started again and goes on from its finished stages")
            return None
        return Outcome(run, "crashed", f"{cause}, {attempt} times", attempts=attempt)


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Ray, connected; a caller's own connection is used and left alone."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray
        return
    _refuse_unreachable(address)
    here: dict[str, Any] = {
        "num_cpus": max(workers or 2, usable()),
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
        "_node_ip_address": "127.0.0.1",
    }
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="error", **({} if address else here))
    except (ConnectionError, ImportError, ValueError, RuntimeError) as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AxkitError(f"Ray at {address or 'this machine'} cannot be reached ({said}); {_WAY_OUT}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _refuse_unreachable(address: str | None) -> None:
    """Ray itself tries for minutes, and logs every try."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():  # auto, or another scheme
        return
    try:
        socket.create_connection((host, int(port)), _REACHABLE_S).close()
    except OSError as error:
        raise AxkitError(f"Ray at {address} cannot be reached ({error}); check --address") from error
