"""Text from outside never controls a terminal, whatever command prints it."""

import json
import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.acceptance.test_help import ALL
from tests.program import Program, ProgramResult
from tests.unit.cli.test_escaping import BIDI, C0, C1

ATTACK = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x1b\\\x1b[6n\x1b[58;5;9m\x9b2J\x9d8;;x\x9c\x08\r\u202eexe.\u2066txt\u200f\ufeff\U000e0041"
"""A window title, the clipboard, a cursor report, a colour, C1 sequences, links, overwriting, reordered text."""
CONTROLS = frozenset(map(chr, [*C0, *C1, *BIDI, 0xFEFF, 0xE0041])) - {"\n"}
OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AK])|\r")
"""What the program itself sends to a terminal: styles, and the cursor moves of a progress bar."""
SILENT = {"db upgrade", "db current", "db url", "db start", "db stop", "db shell"}
"""Commands that print no text from outside: revisions, the configured URL, and psql's own output."""
FILL = """
insert into tickets (subject, body, requester, status, category, priority, sentiment, language, team, draft, error,
                     confidence, extracted)
select $q$x{attack}$q$, $q$x{attack}$q$, $q$x{attack}$q$, status, $q$x{attack}$q$, $q$x{attack}$q$, $q$x{attack}$q$,
       $q$x{attack}$q$, $q$x{attack}$q$, $q$x{attack}$q$, $q$x{attack}$q$, 0.5,
       jsonb_build_array(jsonb_build_object('kind', $q$x{attack}$q$, 'value', $q$x{attack}$q$, 'start', 0, 'end', 1))
from unnest(array['new', 'processed', 'needs_review', 'needs_review', 'failed']) status;
insert into steps (ticket_id, step, output, provider, model, prompt_hash, sent)
select id, step, output || jsonb_build_object('review', jsonb_build_array($q$x{attack}$q$)),
       $q$x{attack}$q$, $q$x{attack}$q$, '', $q$x{attack}$q$
from tickets, (values
  ('classify', jsonb_build_object('category', $q$x{attack}$q$, 'priority', 'low', 'sentiment', 'neutral',
                                  'language', 'en', 'confidence', 0.5, 'method', 'model')),
  ('extract', jsonb_build_object('entities', '[]'::jsonb)),
  ('respond', jsonb_build_object('text', $q$x{attack}$q$, 'method', 'model'))) made (step, output)
where status <> 'new';
insert into attempts (ticket_id, attempt, outcome, error, message_id, environment_id)
select id, 1, 'failed', $q$x{attack}$q$, $q$x{attack}$q$, $q$x{attack}$q$ from tickets where status <> 'new';
insert into changes (ticket_id, actor_kind, actor, action, old, new, note)
select id, 'person', $q$x{attack}$q$, $q$x{attack}$q$, jsonb_build_object('draft', $q$x{attack}$q$),
       jsonb_build_object($q$x{attack}$q$, $q$x{attack}$q$), $q$x{attack}$q$ from tickets where status <> 'new';
update tickets set set_by_human = '["draft"]' where status = 'processed';
insert into messages (ticket_id, body, last_error, dead_at) select id, $q$x{attack}$q$, $q$x{attack}$q$, now()
from tickets where status = 'failed';
insert into messages (ticket_id, body) values (77, $q$x{attack}$q$);
"""
HANDLER = f"def handler(event, context):\n    print({ATTACK!r})\n    raise ValueError({ATTACK!r})\n"
DOCTOR = "import asyncpg\nimport asyncio\npool = asyncio.run(asyncpg.create_pool())\n\ndef handler(event, context): ...\n"


class HostileTables(NamedTuple):
    """The program on tables that are full of hostile text, and what commands may name there."""

    program: Program
    new: str
    processed: str
    first: str
    second: str
    failed: str
    letter: str


@pytest.fixture
def hostile(ticketctl: Program, ask: Callable[[str], str]) -> HostileTables:
    ask(FILL.format(attack=ATTACK))
    numbers = ask("select id from tickets order by id").split()
    [letter] = ask("select message_id from messages where dead_at is not null").split()
    folder = ticketctl.folder
    (folder / "handlers").mkdir()
    (folder / "handlers" / "bad.py").write_text(HANDLER)
    (folder / "handlers" / f"x{ATTACK}.py").write_text(DOCTOR)
    record = {"messageId": ATTACK, "body": f'{{"ticket_id": {numbers[0]}}}', "attributes": {}}
    foreign = {"messageId": ATTACK, "body": ATTACK, "attributes": {}}
    (folder / f"event{ATTACK}.json").write_text(json.dumps({"Records": [record, foreign]}))
    rows = [
        {"text": f"{label} {n} {ATTACK}", "label": f"{label}{ATTACK}"} for label in "ab" for n in range(8)
    ]
    (folder / f"texts{ATTACK}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return HostileTables(ticketctl, *numbers, letter)


def calls(hostile: HostileTables) -> dict[str, list[tuple[str, ...]]]:
    """List calls of every command that print text from outside, or an error that quotes it."""
    event, texts, missing = f"event{ATTACK}.json", f"texts{ATTACK}.jsonl", f"none{ATTACK}"
    return {
        "create": [(f"x{ATTACK}",), ("x", "--body-file", missing), ("x", "--requester", ATTACK), ("x", ATTACK)],
        "list": [(), ("--json",), ("--stuck", "--older-than", "0s"), ("--since", ATTACK), (f"--{ATTACK}",)],
        "import": [(event, "--format", "csv"), (texts, "--map", "subject=text"), (missing,), (texts, "--map", ATTACK)],
        "export": [("--format", "jsonl"), ("--output", missing), ("--status", ATTACK)],
        "replies list": [(), ("--json",)],
        "replies export": [("--from", ATTACK), ("--from", "a@b.c"), (ATTACK, "--from", "a@b.c"), ("--from", "a@b.c", "--output", f"none{ATTACK}/x")],
        "replies sent": [(hostile.first,), (ATTACK,), ("--all",)],
        "show": [(hostile.first,), (hostile.first, "--json"), (ATTACK,)],
        "close": [(hostile.new, "--json"), (ATTACK,)],
        "reopen": [(hostile.new,), (ATTACK,)],
        "review": [("--json",)],  # without --json it asks on a terminal: below
        "approve": [(hostile.first, "--json"), (hostile.second,)],
        "reject": [(hostile.first, "--reason", ATTACK, "--json"), (hostile.second,)],
        "set": [(hostile.first, "--team", ATTACK), (hostile.first, "--draft-file", missing)],
        "retry": [(hostile.failed,), ("--failed", "--json"), (hostile.processed, "--draft")],
        "assign": [(hostile.new, ATTACK), (hostile.new, hostile.first, ATTACK), (ATTACK, "ada")],
        "tag": [(hostile.new, ATTACK), (ATTACK, "vip"), (hostile.new, "vip", "--json")],
        "note": [(hostile.new, ATTACK), (ATTACK, "x")],
        "history": [(hostile.first,), (hostile.first, "--json"), (ATTACK,)],
        "undo": [(hostile.new,), (ATTACK,)],
        "stats": [(), ("--json",), ("--accuracy",), ("--since", ATTACK)],
        "dlq list": [(), ("--json",)],
        "dlq show": [(hostile.letter,), (hostile.letter, "--json"), (ATTACK,)],
        "dlq redrive": [(ATTACK,), ("--all",)],
        "dlq purge": [(ATTACK,), ("--all",)],
        "outbox flush": [()],
        "outbox status": [()],
        "event": [(hostile.new,), ("--status", ATTACK)],
        "process": [(event,), (event, "--json"), (missing,)],
        "work": [("--drain", "--max-receive-count", "1"), ("--drain", "--json")],
        "route": [(hostile.first,), (hostile.first, "--explain"), (hostile.first, "--json")],
        "corrections export": [("x.csv",), (missing,), ("x.csv", "--since", ATTACK)],
        "train": [(texts, "--output", f"model{ATTACK}"), (missing, "--output", "m"), (texts, "--text-column", ATTACK, "-o", "m")],
        "eval": [(texts, "--train", texts), (texts, "--train", texts, "--json"), (missing,), (texts, "--model", missing)],
        "simulate-warm-starts": [
            ("--handler", "bad:handler", "--path", "handlers", "--event", event, "--times", "2"),
            ("--handler", f"bad:{ATTACK}", "--path", "handlers", "--event", event),
            ("--handler", "bad:handler", "--path", missing, "--event", event),
            ("--handler", "bad:handler", "--path", "handlers", "--event", missing),
        ],
        "doctor": [("--path", "handlers"), ("--path", "handlers", "--json"), ("--path", missing)],
        "config show": [(), ("--json",)],
        "config init": [(missing,), ("handlers",)],
        "db backup": [(f"none{ATTACK}/x",), (event,)],
        "db restore": [(missing,), (event,), (event, "--replace")],
        "serve": [("--host", ATTACK), ("--port", ATTACK)],
        "deploy init": [(f"stack{ATTACK}",), (f"stack{ATTACK}",)],
        "deploy plan": [("--assume", ATTACK), ("--assume", f"memory_mb={ATTACK}")],
        "deploy package": [("--include", missing), ("--output", f"event{ATTACK}.json")],
    }  # fmt: skip


COMMANDS = sorted(" ".join(words) for words, command in ALL.items() if not getattr(command, "commands", None))


def test_every_command_is_tried(hostile: HostileTables) -> None:
    assert sorted([*calls(hostile), *SILENT]) == COMMANDS


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in SILENT])
def test_no_command_sends_outside_text_raw(hostile: HostileTables, name: str) -> None:
    program = hostile.program.with_env(TICKETCTL_APPLICATION_NAME=f"x{ATTACK}")
    for arguments in calls(hostile)[name]:
        command = (*name.split(), *arguments)
        shown = program.on_terminal(*command, width=400)
        assert raw(shown) <= {"\t"}, (command, shown)
        piped = program(*command)
        assert raw(piped) <= {"\t"}, (command, piped)
        assert "Traceback" not in piped.err, piped.err


@pytest.mark.parametrize(
    "keys", ["a\nq\n", "r\nno\nq\n", "c\n\nt\n\ne\ns\ns\n"], ids=["approve", "reject", "all"]
)
def test_review_on_a_terminal_sends_no_outside_text_raw(hostile: HostileTables, keys: str) -> None:
    editor = hostile.program.folder / f"editor{ATTACK}"
    editor.write_text("#!/bin/sh\nexit 3\n")
    editor.chmod(0o755)
    shown = hostile.program.with_env(EDITOR=shlex.quote(str(editor))).type_on_terminal(
        "review", "--prompt", keys=keys, width=400
    )
    assert "\\x1b]0;owned" in shown.out
    assert raw(shown) == set(), shown.out


@pytest.mark.parametrize(
    "arguments", [("show", f"{ATTACK}"), ("list", "--since", ATTACK), ("dlq", "show", ATTACK)]
)
def test_debug_sends_no_outside_text_raw(hostile: HostileTables, arguments: tuple[str, ...]) -> None:
    for done in (hostile.program.on_terminal("--debug", *arguments), hostile.program("--debug", *arguments)):
        assert "Traceback" in done.out + done.err
        assert raw(done) == set(), done


def raw(done: ProgramResult) -> set[str]:
    """Return the control characters that were printed, other than the program's own."""
    text = done.out + done.err
    assert "\x1b[58" not in text, text
    return set(OWN.sub("", text)) & CONTROLS
