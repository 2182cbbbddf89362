"""The fixture `warm_starts` in other projects, each run by its own pytest."""

import subprocess
import sys
from pathlib import Path

import pytest

HANDLERS = """
import asyncio
import os

lock = asyncio.Lock()

async def contend():
    async with lock:
        await asyncio.sleep(0)

async def main():
    await asyncio.gather(contend(), contend())

def broken(event, context):
    asyncio.run(main())

def sound(event, context):
    return [event["n"], os.environ.get("GREETING")]
"""
FIXTURE_SCOPE = "asyncio_default_fixture_loop_scope = function"
"""pytest-asyncio, where it is installed, warns if this option is missing."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "handlers.py").write_text(HANDLERS)
    (tmp_path / "tests").mkdir()
    return tmp_path


@pytest.fixture
def run(project: Path):
    def run(test: str, *options: str, ini: str = "pythonpath = src") -> tuple[int, str]:
        (project / "pytest.ini").write_text(f"[pytest]\n{FIXTURE_SCOPE}\n{ini}\n")
        (project / "tests" / "test_it.py").write_text(test)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-W", "error", *options],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout

    return run


def test_a_sound_handler_passes(run):
    status, output = run("""
import handlers

def test_function(warm_starts, monkeypatch):
    monkeypatch.setenv("GREETING", "hello")
    report = warm_starts(handlers.sound, {"n": 1})
    report.assert_safe()
    assert report.verdict == "safe"
    assert [one.response for one in report.invocations] == [[1, "hello"]] * 3

def test_name(warm_starts):
    report = warm_starts("handlers.sound", {"n": 2}, times=1, environment={"GREETING": "you"})
    assert [one.response for one in report.invocations] == [[2, "you"]]
""")
    assert status == 0, output


def test_a_broken_handler_fails_with_its_findings(run):
    status, output = run("""
from handlers import broken

def test_broken(warm_starts):
    warm_starts(broken, {}, times=2).assert_safe()
""")
    assert status == 1
    assert "handlers:broken is broken (ok, error)" in output
    assert "handlers.py:8" in output
    assert "fix: " in output
    assert "> " in output
    assert "report.py" not in output


def test_the_fixture_works_inside_a_running_event_loop(run):
    status, output = run(
        """
from handlers import broken, sound

async def test_here(warm_starts):
    warm_starts(sound, {"n": 1}).assert_safe()
    assert warm_starts(broken, {}).verdict == "broken"
""",
        ini="pythonpath = src\nasyncio_mode = auto",
    )
    assert status == 0, output


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_a_handler_in_the_test_module_itself(run, mode):
    status, output = run(
        """
def handler(event, context):
    return event

def test_it(warm_starts):
    warm_starts(handler, 1).assert_safe()
""",
        f"--import-mode={mode}",
        ini="pythonpath = .",
    )
    assert status == 0, output


def test_an_object_is_imported_by_the_name_of_its_module_variable(run, project):
    (project / "src" / "app.py").write_text("""
class App:
    def __call__(self, event, context):
        return "called"
    def handle(self, event, context):
        return "handled"

handler = App()
""")
    status, output = run("""
import pytest
from app import handler

@pytest.mark.parametrize(("one", "name"), [(handler, "handler"), (handler.handle, "handler.handle")])
def test_object(warm_starts, one, name):
    report = warm_starts(one, {}, times=1)
    assert (report.handler, report.verdict) == (f"app:{name}", "safe")

def test_event(warm_starts):
    with pytest.raises(ValueError, match="is not JSON"):
        warm_starts(handler, {1, 2})
""")
    assert status == 0, output


def test_a_handler_that_cannot_be_imported_is_refused(run):
    status, output = run("""
import pytest

def test_local(warm_starts):
    def handler(event, context): ...
    with pytest.raises(ValueError, match="at the top level of a module"):
        warm_starts(handler, {})

def test_lambda(warm_starts):
    with pytest.raises(ValueError, match="cannot be imported by name"):
        warm_starts(lambda event, context: None, {})

def test_missing(warm_starts):
    with pytest.raises(AssertionError, match="No module named 'nowhere'"):
        warm_starts("nowhere:handler", {}).assert_safe()
""")
    assert status == 0, output


def test_the_plugin_imports_nothing_until_the_fixture_is_used():
    program = (
        "import sys, pytest; before = set(sys.modules); import ticketctl.warmstart.pytest_plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ticketctl', 'ticketctl.warmstart', 'ticketctl.warmstart.pytest_plugin']"
