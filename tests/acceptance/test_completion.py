"""Completion in real shells: what a person sees after the TAB key."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.program import Program

SHELLS = ("bash", "zsh", "fish")
SECONDS = 60.0
TABS = 10
INTERACTIVE = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ""),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u; "),
}
"""How a shell starts without a person's own files, and what it must load before it completes."""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def person(ticketctl: Program) -> Program:
    """The program as a person has it, with a terminal that knows no colours."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{ticketctl.environment['PATH']}"
    return ticketctl.with_env(TERM="dumb", PS1="$ ", LANG="C.UTF-8", PATH=path)


def complete(person: Program, shell: str, line: str, expected: str) -> str:
    """Press TAB behind a line in a shell; return what it offers, once `expected` is among it."""
    if shell == "fish":
        script = f"_TICKETCTL_COMPLETE=source_fish ticketctl | source; complete -C {line!r}"
        command = ["fish", "--no-config", "-c", script]
        for _ in range(TABS):
            done = subprocess.run(
                command, capture_output=True, text=True, env=person.environment, cwd=person.folder, check=True
            )
            if expected in done.stdout:
                break
        return done.stdout
    with started(person, shell) as terminal:
        load = INTERACTIVE[shell][1]
        os.write(
            terminal, f'{load}eval "$(_TICKETCTL_COMPLETE=source_{shell} ticketctl)"; echo rea""dy\n'.encode()
        )
        wait_for(terminal, "ready")
        os.write(terminal, line.encode())
        # Several words with nothing in common appear after the second TAB. On a busy machine the program gives up
        # asking the database after a second, and a person presses TAB again.
        for _ in range(TABS):
            os.write(terminal, b"\t")
            with suppress(TimeoutError):
                return wait_for(terminal, expected, seconds=SECONDS / TABS)
    raise TimeoutError(f"{expected!r} was not offered")


@contextmanager
def started(person: Program, shell: str) -> Iterator[int]:
    """Start a shell on a terminal of its own."""
    command, _ = INTERACTIVE[shell]
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(person.folder)
        os.execvpe(command[0], command, person.environment)  # noqa: S606 - a shell is what is tested
    try:
        yield terminal
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def wait_for(terminal: int, expected: str, *, seconds: float = SECONDS) -> str:
    """Read what a terminal shows until `expected` is a word of it."""
    shown = ""
    deadline = time.monotonic() + seconds
    while re.search(rf"(?<![\w-]){re.escape(expected)}(?![\w-])", shown) is None:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            raise TimeoutError(f"{expected!r} never came; the terminal shows {shown!r}")
        shown += os.read(terminal, 65_536).decode(errors="replace")
    return shown


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ticketctl simul", "simulate-warm-starts"),
        ("ticketctl list --status need", "needs_review"),
        ("ticketctl list --sort upda", "updated"),
        ("ticketctl process - --pool queue-pre", "queue-pre-ping"),
        ("ticketctl process - --loop runn", "runner"),
    ],
)
def test_commands_options_and_fixed_values_are_completed(
    person: Program, shell: str, line: str, expected: str
) -> None:
    assert expected in complete(person, shell, line, expected)


def test_teams_and_categories_are_those_of_the_configured_taxonomy(person: Program, shell: str) -> None:
    person("config", "init")
    taxonomy = person.folder / "taxonomy.toml"
    taxonomy.write_text(taxonomy.read_text().replace('"billing"', '"money"'))
    assert "money" in complete(person, shell, "ticketctl list --team mon", "money")
    assert "money" in complete(person, shell, "ticketctl set 1 --category mon", "money")


def test_ids_are_those_of_the_database(person: Program, shell: str) -> None:
    numbers = [person("create", subject).out.strip() for subject in ("Fire", "Water")]
    shown = complete(person, shell, "ticketctl show ", numbers[1])
    assert numbers[0] in shown


def test_a_subject_is_no_code_for_the_shell(person: Program, shell: str) -> None:
    for subject in (
        "$(touch pwned)",
        r"\$(touch pwned)",
        "`touch pwned`",
        "'; touch pwned; '",
        '"$(touch pwned)"',
    ):
        number = person("create", subject).out.strip()
    complete(person, shell, "ticketctl show ", number)
    assert not (person.folder / "pwned").exists()


def test_without_a_database_nothing_is_offered_and_nothing_is_shown(person: Program) -> None:
    alone = person.with_env(
        TICKETCTL_DATABASE_URL="postgresql://127.0.0.1:1/x",
        _TICKETCTL_COMPLETE="complete_bash",
        COMP_WORDS="ticketctl show ",
        COMP_CWORD="2",
    )
    done = alone()
    assert (done.out.strip(), done.err) == ("", "")
