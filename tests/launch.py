"""Processes of one job, as a launcher starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

ALONE = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}


def started(script, *arguments):
    """Two processes of a script, as a launcher starts them; (exit codes, what they said)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = {**ALONE, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env={**here, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=200)[0] for process in both]
    finally:
        for process in both:  # those that wait for each other would outlive the test
            process.kill()
    return [process.returncode for process in both], said
