"""The program on handlers of somebody else's: no database is there, and none may be asked for."""

import json
import os
import pty
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

SOUND = """
import asyncio

async def main(event):
    return {"doubled": event["n"] * 2}

def handler(event, context):
    return asyncio.run(main(event))
"""
ALTERNATING = """
import asyncio

lock = asyncio.Lock()

async def contend():
    async with lock:
        await asyncio.sleep(0)

async def main():
    await asyncio.gather(contend(), contend())

def handler(event, context):
    asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sound.py").write_text(SOUND)
    (tmp_path / "locked.py").write_text(ALTERNATING)
    (tmp_path / "surprise.py").write_text("import no_such_thing\ndef handler(event, context): ...\n")
    (tmp_path / "echo.py").write_text(
        "import os\ndef handler(event, context): return [event, os.environ.get('GREETING'), os.getcwd()]\n"
    )
    (tmp_path / "one.json").write_text('{"n": 1}')
    (tmp_path / "two.json").write_text('{"n": 2}')
    (tmp_path / "bad.json").write_text("{")
    return tmp_path


@pytest.fixture
def simulate(folder: Path):
    def run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "ticketctl",
            "simulate-warm-starts",
            "--path",
            str(folder),
            *arguments,
        ]
        # a database that cannot be reached: whoever asks for one fails
        environment = os.environ | {"TICKETCTL_DATABASE_URL": "postgresql://127.0.0.1:9/none"}
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, env=environment, timeout=120
        )

    return run


def test_a_sound_handler(simulate, folder):
    done = simulate("--handler", "sound:handler", "--event", str(folder / "one.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "sound:handler\tsafe\tok,ok,ok,ok,ok\t0,0,0,0,0\t\n"


def test_a_broken_handler_says_what_breaks_it(simulate, folder):
    done = simulate("--handler", "locked.handler", "--event", str(folder / "one.json"), "--times", "2")
    assert done.returncode == 8
    name, verdict, outcomes, _, error = done.stdout.rstrip("\n").split("\t")
    assert (name, verdict, outcomes) == ("locked.handler", "broken", "ok,error")
    assert "different event loop" in error
    assert done.stderr.startswith("error: locked.handler is broken: ")
    assert "locked.py:7" in done.stderr
    assert "\nhint: " in done.stderr


def test_events_take_turns(simulate, folder):
    events = ["--event", str(folder / "one.json"), "--event", "-"]
    done = simulate("--handler", "sound:handler", *events, "--times", "3", "--json", text='{"n": 21}')
    assert done.returncode == 0, done.stderr
    form = json.loads(done.stdout)
    (cell,) = form["cells"]
    assert [i["response"] for i in cell["invocations"]] == [{"doubled": 2}, {"doubled": 42}, {"doubled": 2}]
    assert (cell["pool"], cell["loop"], cell["handler"]) == (None, None, "sound:handler")
    assert cell["verdict"] == "safe"
    assert form["configured"] is None


def test_variables_and_folder_are_the_handlers(simulate, folder):
    done = simulate(
        "--handler", "echo:handler", "--event", str(folder / "one.json"), "--env", "GREETING=a=b", "--json"
    )
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["invocations"][0]["response"] == [{"n": 1}, "a=b", str(folder)]


def test_another_interpreter(simulate, folder):
    done = simulate(
        "--handler", "sound:handler", "--event", str(folder / "one.json"), "--python", sys.executable
    )
    assert done.returncode == 0, done.stderr


KEEPS_A_CONNECTION = """
import os
import socket

connection = None

def handler(event, context):
    global connection
    if connection is None:
        connection = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), timeout=0.5)
    connection.sendall(b"x")
    if connection.recv(1) != b"x":
        raise ConnectionError("nobody answers")
"""


@pytest.fixture
def echo_port() -> Iterator[str]:
    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(100):
                self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever).start()
        yield str(server.server_address[1])
        server.shutdown()


@pytest.mark.parametrize(
    ("options", "verdict", "said"),
    [
        ((), "safe", ""),
        (("--freeze",), "fragile", "BrokenPipeError"),
        (("--freeze=silent",), "fragile", "TimeoutError: timed out"),
    ],
)
def test_a_freeze_is_survived_or_not(simulate, folder, echo_port, options, verdict, said):
    (folder / "keeps.py").write_text(KEEPS_A_CONNECTION)
    given = ["--handler", "keeps:handler", "--event", str(folder / "one.json"), "--env", f"PORT={echo_port}"]
    done = simulate(*given, *options)
    assert done.stdout.split("\t")[1] == verdict
    assert done.returncode == (8 if options else 0)
    assert said in done.stderr


def test_pictures(simulate, folder):
    files = ["--svg", str(folder / "out.svg"), "--html", str(folder / "out.html")]
    done = simulate("--handler", "locked:handler", "--event", str(folder / "one.json"), *files)
    assert done.returncode == 8
    assert "L2" in (folder / "out.svg").read_text()
    assert "locked.py:7" in (folder / "out.html").read_text()


def test_a_module_that_is_there_and_fails_is_broken(simulate, folder):
    done = simulate("--handler", "surprise:handler", "--event", str(folder / "one.json"))
    assert done.returncode == 8
    assert "surprise.py:1" in done.stderr
    assert "no_such_thing" in done.stdout


def test_a_hang_ends_in_time(simulate, folder):
    (folder / "stuck.py").write_text("import time\ndef handler(event, context): time.sleep(600)\n")
    done = simulate("--handler", "stuck:handler", "--event", str(folder / "one.json"), "--timeout", "0.5")
    assert done.returncode == 8
    assert "Sandbox.Timedout" in done.stdout
    assert "stuck.py:2" in done.stderr


MISTAKES = {
    "no such module": (["--handler", "nowhere:handler", "--event", "{one}"], "No module named 'nowhere'"),
    "no such submodule": (
        ["--handler", "sound.inner:f", "--event", "{one}"],
        "No module named 'sound.inner'",
    ),
    "no such function": (["--handler", "sound:main2", "--event", "{one}"], "has no attribute 'main2'"),
    "not callable": (["--handler", "locked:lock", "--event", "{one}"], "is not callable"),
    "no function": (["--handler", "sound", "--event", "{one}"], "module:function"),
    "no event": (["--handler", "sound:handler"], "at least one event"),
    "missing event": (["--handler", "sound:handler", "--event", "{none}"], "cannot be read"),
    "bad event": (["--handler", "sound:handler", "--event", "{bad}"], "is not JSON"),
    "a pool": (["--handler", "sound:handler", "--event", "{one}", "--pool", "null"], "worker"),
    "a loop": (["--handler", "sound:handler", "--event", "{one}", "--loop", "runner"], "worker"),
    "a database": (["--handler", "sound:handler", "--event", "{one}", "--database-url", "x"], "worker"),
    "no variable": (["--handler", "sound:handler", "--event", "{one}", "--env", "A"], "NAME=VALUE"),
    "no interpreter": (["--handler", "sound:handler", "--event", "{one}", "--python", "/none"], "/none"),
    "no such freeze": (["--handler", "sound:handler", "--event", "{one}", "--freeze=hard"], "silent"),
    "no folder": (["--handler", "sound:handler", "--event", "{one}", "--svg", "/none/x.svg"], "/none/x.svg"),
    "no handler": (["--env", "A=1"], "--handler"),
    "no times": (["--handler", "sound:handler", "--event", "{one}", "--times", "0"], "--times"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_typed_wrongly_is_refused(simulate, folder, mistake):
    arguments, said = MISTAKES[mistake]
    files = {name: str(folder / f"{name}.json") for name in ("one", "bad", "none")}
    done = simulate(*(argument.format(**files) for argument in arguments))
    assert done.returncode == 2, done
    assert done.stdout == ""
    error, hint = done.stderr.strip().split("\n")
    assert error.startswith("error: ")
    assert said in error
    assert hint.startswith("hint: ")


def on_a_terminal(arguments: list[str]) -> tuple[int, str]:
    """Run the program with a terminal of 100 columns for stdout; answers status and what was shown."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "100", "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "ticketctl", *arguments],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how Linux tells that the other side has closed the terminal
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    return process.wait(timeout=60), re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


def test_a_terminal_shows_invocations_verdict_and_fix(folder):
    options = ["--path", str(folder), "--event", str(folder / "one.json"), "--times", "2"]
    status, shown = on_a_terminal(["simulate-warm-starts", "--handler", "locked:handler", *options])
    assert status == 8
    lines = [line.rstrip() for line in shown.replace("\r\n", "\n").split("\n")]
    assert lines[0].split() == ["INVOCATION", "OUTCOME", "TOOK", "ERROR"]
    assert lines[1].split()[:3] == ["1", "✓", "ok"]
    assert lines[2].split()[:3] == ["2", "✗", "error"]
    assert "broken: an invocation failed, or the process died or hung" in lines
    assert any(line.startswith("  fix: ") for line in lines)
