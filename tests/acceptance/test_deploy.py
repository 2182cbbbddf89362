"""Writing a stack's template, and what is said where it or its packages cannot be had."""

import json
import re
import sys

import pytest

from tests.program import Program

NOWHERE = {
    "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
    "PIP_RETRIES": "1",
    "PIP_CONFIG_FILE": "/dev/null",
}
EMPTY = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
TOLD = re.compile(r"error: [^\n]+\nhint: [^\n]+\n")
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def test_a_new_folder_gets_a_template_that_names_what_is_packaged(ticketctl: Program) -> None:
    done = ticketctl("deploy", "init", "aws/stack", "--architecture", "arm64", "--function-timeout", "60")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == ["aws/stack/template.yaml", "aws/stack/samconfig.toml"]
    text = (ticketctl.folder / "aws/stack/template.yaml").read_text("utf-8")
    assert f"CodeUri: build/worker-{PYTHON}-arm64.zip" in text
    assert "VisibilityTimeout: 360\n" in text
    config = (ticketctl.folder / "aws/stack/samconfig.toml").read_text("utf-8")
    assert "CAPABILITY_IAM" in config


def test_on_a_terminal_it_says_what_comes_next(ticketctl: Program) -> None:
    shown = ticketctl.on_terminal("deploy", "init", "stack", "--architecture", "arm64", width=120)
    assert "next: cd stack && ticketctl deploy package --architecture arm64" in shown.out


def test_settings_are_its_numbers(ticketctl: Program) -> None:
    (ticketctl.folder / "ticketctl.toml").write_text("function_timeout = 40\nwindow = 5\n")
    assert ticketctl.with_env(TICKETCTL_BATCH_SIZE="7")("deploy", "init", "stack").status == 0
    text = (ticketctl.folder / "stack/template.yaml").read_text("utf-8")
    assert "VisibilityTimeout: 245\n" in text
    assert "BatchSize: 7\n" in text


def test_a_plan_is_piped_as_rows_shown_as_tables_and_told_as_json(ticketctl: Program) -> None:
    done = ticketctl("deploy", "plan", "--tickets", "2000", "--assume", "memory_mb=512")
    assert (done.status, done.err) == (0, "")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert ["resource", "WorkerFunction", "AWS::Serverless::Function", ""] in rows
    assert ["resource", "CostAlarm", "AWS::CloudWatch::Alarm", "HasCostLimit"] in rows
    assert ["assumption", "memory_mb", "512"] in rows
    told = json.loads(
        ticketctl("deploy", "plan", "--tickets", "2000", "--assume", "memory_mb=512", "--json").out
    )
    assert told["per_tickets_usd"] == pytest.approx(
        sum(float(row[4]) for row in rows if row[0] == "tickets"), abs=1e-4
    )
    assert told["prices_as_of"]
    shown = ticketctl.on_terminal("deploy", "plan", width=120)
    assert "1,000 tickets" in shown.out
    assert ticketctl("deploy", "plan", "--assume", "speed=1").status == 2


def test_nothing_is_overwritten(ticketctl: Program) -> None:
    folder = ticketctl.folder / "stack"
    folder.mkdir()
    (folder / "samconfig.toml").write_text("mine")
    done = ticketctl("deploy", "init", "stack")
    assert (done.status, done.out) == (2, "")
    assert TOLD.fullmatch(done.err)
    assert "stack/samconfig.toml would be replaced" in done.err
    assert [path.name for path in folder.iterdir()] == ["samconfig.toml"]
    assert (folder / "samconfig.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["init"], 2),
        (["init", "stack", "--architecture", "mips"], 2),
        (["init", "stack", "--concurrency", "1"], 2),
        (["init", "stack", "--function-timeout", "901"], 2),
        (["init", "stack", "--window", "301"], 2),
        (["init", "stack", "--pool", "nonsense"], 2),
        (["init", "stack", "--pool", "queue"], 4),
        (["init", "stack", "--batch-size", "11"], 4),
        (["init", "stack", "--function-timeout", "1"], 4),
        (["init", "file"], 2),
        (["init", "file/stack"], 2),
        (["package", "--architecture", "mips"], 2),
        (["package", "--include", "missing"], 2),
        (["package", "--output", "file"], 2),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(
    ticketctl: Program, arguments: list[str], status: int
) -> None:
    (ticketctl.folder / "file").write_text("mine")
    done = ticketctl("deploy", *arguments)
    assert (done.status, done.out) == (status, "")
    assert TOLD.fullmatch(done.err)
    assert [path.name for path in ticketctl.folder.iterdir()] == ["file"]


def test_without_an_index_it_says_so(ticketctl: Program) -> None:
    done = ticketctl.with_env(**NOWHERE)("deploy", "package")
    assert (done.status, done.out) == (4, "")
    assert TOLD.fullmatch(done.err)
    assert "error: pip cannot reach its index" in done.err
    assert not (ticketctl.folder / "build").exists()


def test_what_the_index_does_not_have_is_told(ticketctl: Program) -> None:
    done = ticketctl.with_env(**EMPTY)("deploy", "package")
    assert (done.status, done.out) == (4, "")
    assert TOLD.fullmatch(done.err)
    assert "error: pip cannot install the dependencies: " in done.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('ai_api_key = "hunter2"', "contains a secret, ai_api_key"),
        ('database_url = "postgresql://me:hunter2@db/tickets"', "contains a secret, database_url"),
        ("not toml", "cannot be read"),
    ],
)
def test_no_secret_is_packaged(ticketctl: Program, text: str, told: str) -> None:
    (ticketctl.folder / "aws").mkdir()
    (ticketctl.folder / "aws/ticketctl.toml").write_text(text)
    done = ticketctl("deploy", "package", "--include", "aws/ticketctl.toml")
    assert (done.status, done.out) == (2, "")
    assert TOLD.fullmatch(done.err)
    assert told in done.err
    assert "hunter2" not in done.err


def test_two_files_of_one_name_are_told(ticketctl: Program) -> None:
    for folder in ("a", "b"):
        (ticketctl.folder / folder).mkdir()
        (ticketctl.folder / folder / "taxonomy.toml").write_text("")
    done = ticketctl("deploy", "package", "--include", "a/taxonomy.toml", "--include", "b/taxonomy.toml")
    assert done.status == 2
    assert "two files are called taxonomy.toml" in done.err


def test_without_pip_it_says_how_to_get_it(ticketctl: Program) -> None:
    (ticketctl.folder / "sitecustomize.py").write_text("import sys; sys.modules['pip'] = None\n")
    done = ticketctl.with_env(PYTHONPATH=str(ticketctl.folder)).run_in_new_process("deploy", "package")
    assert (done.status, done.out) == (4, "")
    assert TOLD.fullmatch(done.err)
    assert "ensurepip" in done.err


def test_a_taxonomy_that_would_stay_behind_is_warned_of(ticketctl: Program) -> None:
    ticketctl("config", "init")
    done = ticketctl.with_env(**EMPTY)("deploy", "package")
    left = "taxonomy.toml, which the setting taxonomy names, is not in the packages: --include adds it\n"
    assert [line for line in done.err.splitlines(keepends=True) if line.endswith(left)]
    there = ticketctl.with_env(**EMPTY)("deploy", "package", "--include", "taxonomy.toml")
    assert "warning" not in there.err
    embedding = ticketctl.with_env(TICKETCTL_AI_EMBEDDINGS="tiny", **EMPTY)
    assert "packages carry no embedding model" in embedding("deploy", "package").err
