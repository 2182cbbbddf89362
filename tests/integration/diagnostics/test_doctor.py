"""The command `doctor` on folders of source."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BAD = """import asyncio
import httpx

client = httpx.AsyncClient()

def handler(event, context):
    return asyncio.run(client.get(event["url"]))
"""


@pytest.fixture
def doctor(tmp_path: Path):
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ticketctl", "doctor", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | environment,
        )

    return run


def test_a_safe_folder_has_no_findings(doctor, tmp_path):
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    done = doctor()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "looked at 1 of 1 file\n")


def test_a_breaking_finding_has_location_cause_and_fix(doctor, tmp_path):
    (tmp_path / "app.py").write_text(BAD)
    done = doctor("--handler", "app:handler")
    assert done.returncode == 8
    place, rule, gravity, cause, cure = done.stdout.rstrip("\n").split("\t")
    assert (place, rule, gravity) == ("app.py:4", "client-outlives-loop", "breaks")
    assert "app.py:7" in cause
    assert "asyncio.Runner" in cure
    assert "error: 1 finding breaks warm starts" in done.stderr
    assert "hint: ticketctl doctor --explain client-outlives-loop" in done.stderr


def test_findings_as_json(doctor, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "app.py").write_text(BAD)
    done = doctor("--path", "elsewhere", "--json")
    assert done.returncode == 8
    report = json.loads(done.stdout)
    assert report["files"] == ["app.py"]
    (found,) = report["findings"]
    assert found.keys() == {"file", "line", "rule", "cause", "cure", "breaks"}


def test_a_risk_is_shown_but_does_not_fail(doctor, tmp_path):
    (tmp_path / "app.py").write_text(
        "import asyncio\nlock = asyncio.Lock()\nasync def one():\n    async with lock: ...\n"
        "async def main():\n    await asyncio.gather(one(), one())\n"
        "def handler(event, context):\n    asyncio.run(main())\n"
    )
    done = doctor()
    assert done.returncode == 0
    assert done.stdout.split("\t")[:3] == ["app.py:2", "primitive-outlives-loop", "risk"]


def test_our_own_settings_are_checked(doctor):
    done = doctor(TICKETCTL_POOL="queue")
    assert done.returncode == 8
    assert done.stdout.startswith("TICKETCTL_POOL\tpool-outlives-loop\tbreaks\t")


def test_queue_and_database_are_checked_with_ask(doctor, database_url):
    done = doctor("--ask", TICKETCTL_DATABASE_URL=database_url)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    done = doctor(
        "--ask",
        TICKETCTL_DATABASE_URL=database_url,
        TICKETCTL_CONCURRENCY="100000",
        TICKETCTL_FUNCTION_TIMEOUT="900",
    )
    assert done.returncode == 8
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [
        ["TICKETCTL_VISIBILITY_TIMEOUT", "visibility-timeout"],
        ["TICKETCTL_CONCURRENCY", "concurrency"],
    ]


def test_our_own_worker_has_no_findings(doctor):
    done = doctor("--handler", "ticketctl.worker:handler", "--path", str(Path(__file__).parents[3]))
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--handler", "nowhere:handler"], "no module 'nowhere'"),
        (["--handler", "handler"], "module:function"),
        (["--path", "nowhere"], "nowhere"),
    ],
)
def test_invalid_arguments_are_refused(doctor, arguments, message):
    done = doctor(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_rules_are_selected_and_suppressed(doctor, tmp_path):
    (tmp_path / "app.py").write_text(BAD)
    assert doctor("--ignore", "client-outlives-loop").returncode == 0
    assert doctor("--select", "lost-task").returncode == 0
    comment = "# ticketctl: ignore[client-outlives-loop] a test\nclient ="
    (tmp_path / "app.py").write_text(BAD.replace("client =", comment))
    assert doctor().returncode == 0


def test_a_rule_is_explained(doctor):
    done = doctor("--explain", "closed-but-cached")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("Why: ", "Fix: ", "Example of code"))
    done = doctor("--explain", "nothing")
    assert done.returncode == 2
    assert "there is no rule 'nothing'" in done.stderr


def test_findings_for_ci(doctor, tmp_path):
    (tmp_path / "app.py").write_text(BAD)
    done = doctor("--format", "github")
    assert done.returncode == 8
    assert done.stdout.startswith("::error file=app.py,line=4,title=client-outlives-loop::")
    (result,) = json.loads(doctor("--format", "sarif").stdout)["runs"][0]["results"]
    assert result["ruleId"] == "client-outlives-loop"


def test_what_could_not_be_resolved_is_said(doctor, tmp_path):
    (tmp_path / "app.py").write_text("import elsewhere_xyz\ndef handler(event, context): ...\n")
    assert doctor().stderr == "looked at 1 of 1 file, could not resolve elsewhere_xyz\n"


def test_an_invalid_configuration_is_refused(doctor, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.ticketctl.doctor]\nnothing = []\n")
    done = doctor()
    assert done.returncode == 4
    assert "no key 'nothing'" in done.stderr


def test_our_own_checkout_has_no_findings(doctor):
    done = doctor("--path", str(Path(__file__).parents[3]))
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


@pytest.mark.parametrize("argument", ["elsewhere", "elsewhere/app.py"])
def test_a_folder_or_a_file_may_be_an_argument(doctor, tmp_path, argument):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "app.py").write_text(BAD)
    (tmp_path / "other.py").write_text(BAD)
    done = doctor(argument)
    assert done.returncode == 8
    (line,) = done.stdout.splitlines()
    assert line.split("\t")[:2] == [
        "app.py:4" if argument == "elsewhere" else "elsewhere/app.py:4",
        "client-outlives-loop",
    ]


def test_a_named_file_counts_as_a_handler(doctor, tmp_path):
    (tmp_path / "jobs.py").write_text(BAD.replace("def handler(event, context):", "def run(event):"))
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    assert doctor().returncode == 0
    done = doctor("jobs.py", "app.py")
    assert (done.returncode, done.stdout.split("\t")[0]) == (8, "jobs.py:4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.py",), "there is no file or folder nowhere.py"),
        (("notes.txt",), "notes.txt is not a Python file"),
        ((".", "app.py"), "doctor looks at one folder at a time"),
        ((".", "--path", "."), "doctor looks at one folder at a time"),
        (("app.py", "--handler", "app:handler"), "--handler and a file both name the handler"),
        (("app.py", "--path", "below"), "the files are not in the folder below"),
    ],
)
def test_paths_that_contradict_each_other_are_refused(doctor, tmp_path, arguments, message):
    (tmp_path / "below").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "app.py").touch()
    done = doctor(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}\n")
