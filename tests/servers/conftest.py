"""A real server: `transformers serve` on the loopback, started by the tests and ended by its id.

It serves the tiny model out of a hub cache made for it. With ETHOGRAM_REAL_SERVER=1 it serves the
embedded model instead, which takes a minute or two more.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

COMMIT = "0" * 40
MODEL = "ethogram/tiny"
START_SECONDS = 300.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Served:
    """Where the server listens, what it serves, and the folder that it serves it from."""

    url: str
    model: str
    folder: Path


@pytest.fixture(scope="session")
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    pytest.importorskip("fastapi", reason="transformers serve needs fastapi and uvicorn")
    pytest.importorskip("uvicorn", reason="transformers serve needs fastapi and uvicorn")
    real = os.environ.get("ETHOGRAM_REAL_SERVER") == "1"
    folder: Path = request.getfixturevalue("embedded" if real else "tiny_folder")
    home = tmp_path_factory.mktemp("hub")
    snapshot = hub_copy(folder, home)
    port = free_port()
    log = home / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*SERVE, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env=environment(home),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(process, f"http://127.0.0.1:{port}/health", log)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NO_PROXY", "127.0.0.1")
            yield Served(f"http://127.0.0.1:{port}/v1", MODEL, snapshot)
    finally:
        end(process)


SERVE = (sys.executable, "-m", "transformers.cli.transformers", "serve")


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return kept | {
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1",
    }


def hub_copy(folder: Path, home: Path) -> Path:
    """The model as the hub's cache would hold it: what `/v1/models` lists is read from there."""
    repository = home / "hub" / f"models--{MODEL.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    shutil.copytree(folder, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "blobs").mkdir()
    # The server samples only where the model's own generation config says so.
    config = snapshot / "generation_config.json"
    found = json.loads(config.read_text()) if config.exists() else {}
    config.write_text(json.dumps(found | {"do_sample": True, "top_k": 0, "top_p": 1.0}))
    return snapshot


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Until the server answers; an error with the end of its log if it ends or takes too long."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), opener.open(url, timeout=5):
            return
        time.sleep(0.25)
    said = log.read_text(errors="replace")[-3000:]
    pytest.fail(f"the server did not start ({process.poll()}):\n{said}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the server's own process group to end, then make it."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return
