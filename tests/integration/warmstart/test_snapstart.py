"""SnapStart: handlers that share state through the snapshot, and handlers that renew it."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.lab import Laboratory

UNPREPARED = """
import os
import random
import socket
import uuid

CONSTANT = "the same everywhere"
SESSION = str(uuid.uuid4())
IDENTITY = uuid.uuid4()
API_KEY = os.environ["KEY"]
TOKEN_URL = "https://example.com/token"
dice = random.Random()
connection = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))

def handler(event, context):
    connection.sendall(b"x")
    if connection.recv(1) != b"x":
        raise ConnectionError("no answer")
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
"""

PREPARED = """
import os
import random
import socket
import uuid

from snapshot_restore_py import register_after_restore, register_before_snapshot

connection = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
SESSION = API_KEY = None
calls = []
dice = random.Random()
safe = random.SystemRandom()

@register_before_snapshot
def first():
    calls.append("registered first, called last")
    connection.close()

@register_before_snapshot
def last():
    calls.append("registered last, called first")

@register_after_restore
def restore(name, *, key):
    global connection, SESSION, API_KEY
    connection = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
    SESSION = str(uuid.uuid4())
    API_KEY = os.environ[key]
    dice.seed()
    calls.append(name)

register_after_restore(calls.append, "then this")
restore.__defaults__ = ("restored",)
restore.__kwdefaults__ = {"key": "KEY"}

def handler(event, context):
    connection.sendall(b"x")
    if connection.recv(1) != b"x":
        raise ConnectionError("no answer")
    return calls
"""


@pytest.fixture
def echo_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def echo(peer: socket.socket) -> None:
            with peer:
                while data := peer.recv(100):
                    peer.sendall(data)

        def serve() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=[peer], daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def examine(tmp_path: Path, echo_port: str):
    async def examine(source, *, snapstart=True):
        (tmp_path / "app.py").write_text(source)
        async with Laboratory() as laboratory:
            return await laboratory.examine(
                Experiment(
                    handler="app:handler",
                    events=[{}],
                    times=2,
                    path=tmp_path,
                    environment={"PORT": echo_port, "KEY": "hush"},
                    snapstart=snapstart,
                )
            )

    return examine


async def test_shared_state_in_a_snapshot_is_reported(examine, echo_port) -> None:
    report = await examine(UNPREPARED)
    found = {finding.kind: finding.cause for finding in report.findings}
    assert report.verdict == "broken"
    assert f"127.0.0.1:{echo_port}, from app.py:13" in found["snapshot-connection"]
    assert "app.dice (app.py:" in found["snapshot-random"]
    assert "new value of app.SESSION (app.py:" in found["snapshot-unique"]
    assert "read app.API_KEY (app.py:" in found["snapshot-secret"]
    assert "TOKEN_URL" not in found["snapshot-secret"]
    assert "hush" not in str(found)


async def test_the_same_handler_is_safe_without_snapstart(examine) -> None:
    report = await examine(UNPREPARED, snapstart=False)
    assert report.verdict == "safe"
    assert report.invocations[0].response == "on-demand"
    assert report.findings == []


async def test_hooks_run_in_order_and_make_it_safe(examine) -> None:
    report = await examine(PREPARED)
    assert report.findings == []
    assert report.verdict == "safe"
    assert report.invocations[0].response == [
        "registered last, called first",
        "registered first, called last",
        "restored",
        "then this",
    ]


@pytest.mark.parametrize("moment", ["before_snapshot", "after_restore"])
async def test_a_failing_hook_ends_the_session(examine, moment) -> None:
    report = await examine(f"""
from snapshot_restore_py import register_{moment}

@register_{moment}
def hook():
    raise ValueError("not today")

def handler(event, context): ...
""")
    assert report.verdict == "broken"
    assert [one.error for one in report.invocations] == ["not today"]
    assert "app.py:6" in report.findings[0].cause


async def test_the_module_random_and_its_functions_share_one_state(examine) -> None:
    report = await examine("""
import random
from random import choice

def handler(event, context):
    return choice("ab") + random.choice("ab")
""")
    assert [finding.kind for finding in report.findings] == ["snapshot-random"]
    assert "app.random (app.py:2), app.choice (app.py:3)" in report.findings[0].cause
    assert report.verdict == "unsafe"
    with pytest.raises(AssertionError, match="app:handler is unsafe"):
        report.assert_safe()


async def test_what_classes_dictionaries_and_defaults_keep_is_shared_too(examine) -> None:
    report = await examine("""
import random
import secrets
import uuid

from snapshot_restore_py import register_before_snapshot

class Keys:
    current = secrets.token_hex()
    attempts = 3

settings = {"region": "eu", "id": uuid.uuid4().hex}

def pick(options, rng=random.Random()):
    return rng.choice(options)

@register_before_snapshot
def rotate():
    Keys.current = secrets.token_hex()

def handler(event, context):
    return pick("ab")
""")
    found = {finding.kind: finding.cause for finding in report.findings}
    assert "app.pick(rng) (app.py:14)" in found["snapshot-random"]
    assert "app.Keys.current (app.py:9), app.settings['id'] (app.py:12)" in found["snapshot-unique"]
    assert report.verdict == "unsafe"


async def test_generators_of_numpy_are_shared_too(examine) -> None:
    pytest.importorskip("numpy")
    report = await examine("""
import numpy as np

rng = np.random.default_rng()
fixed = np.random.default_rng(7)

def handler(event, context):
    return rng.random() + float(np.random.uniform())
""")
    (finding,) = report.findings
    assert "app.np (app.py:2), app.rng (app.py:4)" in finding.cause
    assert "fixed" not in finding.cause


def test_the_command_reports_shared_state(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import uuid\nID = uuid.uuid4()\ndef handler(event, context): ...\n")
    (tmp_path / "event.json").write_text("{}")
    command = [sys.executable, "-m", "ticketctl", "simulate-warm-starts", "--handler", "app:handler"]
    command += ["--event", "event.json", "--path", ".", "--snapstart"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
        )

    done = run("--json")
    assert done.returncode == 8, done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    assert [finding["kind"] for finding in cell["findings"]] == ["snapshot-unique"]
    assert cell["verdict"] == "unsafe"
    assert "error: app:handler is unsafe: Each import creates a new value of app.ID (app.py:2)" in done.stderr
    assert run("--runtime", "awslambdaric").returncode == 2
