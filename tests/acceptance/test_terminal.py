"""What a person sees on a terminal, and what a terminal never gets."""

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.program import STYLE, Program, ProgramResult
from tests.unit.ai.hostile import INJECTIONS, PAYLOADS
from tests.unit.cli.test_escaping import BIDI, C0, C1
from tests.unit.cli.test_output import HOSTILE

CONTROLS = frozenset(map(chr, [*C0, *C1, *BIDI])) - {"\n"}
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
MARKUP = "[bold red]urgent[/] :smile: [link=https://example.org]x[/link] [/nonsense]"
TITLE = "\x1b]0;owned\x07"
ATTACK = f"{TITLE} \x1b]52;c;b3duZWQ=\x1b\\ \x9b2J\x9b31m exe.\u202etxt\u2066 {HOSTILE}".replace("\0", "")
"""A window's title, the clipboard, C1 sequences, reversed text, and every other kind."""
HOSTILE_TICKETS = (*INJECTIONS, *PAYLOADS)


def plain(shown: str) -> str:
    """What was shown, without colours and weights."""
    return STYLE.sub("", shown)


def sent_raw(shown: str) -> frozenset[str]:
    """The control characters that reached the terminal, other than for colours and weights."""
    return CONTROLS & set(plain(shown))


@pytest.fixture
def ticket(ticketctl: Program) -> Callable[[str], str]:
    """Make a ticket with this text in every place that takes one; answers its number."""

    def create(text: str) -> str:
        line = " ".join(re.split("[\r\n]", text))  # a subject and an address have one line
        options = ("--body-file", "-", "--requester", f"{line}@x")
        return ticketctl("create", f"x {line}", *options, stdin=text).out.strip()

    return create


class TestUntrustedText:
    def test_list_and_show_escape_control_characters(
        self, ticketctl: Program, ticket: Callable[[str], str], ask: Callable[[str], str]
    ) -> None:
        number = ticket(ATTACK)
        ask(
            "update tickets set category = subject, priority = subject, team = subject, draft = body, "
            "error = body, status = 'failed'"
        )
        for command in (("list",), ("list", "--json"), ("show", number), ("show", number, "--json")):
            assert sent_raw(ticketctl.on_terminal(*command, width=400).out) == set(), command
            assert sent_raw(ticketctl(*command).out) <= {"\t"}, command

    def test_processed_fields_are_escaped(self, ticketctl: Program, ticket: Callable[[str], str]) -> None:
        number = ticket(f"I was charged twice {ATTACK} order A-4711{ATTACK}")
        event = ticketctl("event", number).out
        (ticketctl.folder / "event.json").write_text(event)
        assert sent_raw(ticketctl.on_terminal("process", "event.json").out) == set()
        assert sent_raw(ticketctl.on_terminal("show", number).out) == set()

    def test_prompt_injections_are_escaped(self, ticketctl: Program, ask: Callable[[str], str]) -> None:
        texts = [text.replace("\0", "")[:400].encode("utf-8", "replace").decode() for text in HOSTILE_TICKETS]
        ask("insert into tickets (subject, body) values " + ", ".join(f"('x', $q${t}$q$)" for t in texts))  # noqa: S608 - the tests' own
        event = ticketctl("event", "--status", "new").out
        assert ticketctl("process", "-", stdin=event).status == 0
        smuggled = ask("select id from tickets order by id desc").split()[: len(PAYLOADS)]
        for command in (
            ("list", "--limit", "100"),
            ("review", "--limit", "100"),
            *(("show", n) for n in smuggled),
        ):
            assert sent_raw(ticketctl(*command).out) <= {"\t"}, command
        for command in (("list", "--limit", "100"), *(("show", number) for number in smuggled)):
            assert sent_raw(ticketctl.on_terminal(*command).out) == set(), command

    def test_eval_escapes_labelled_texts(self, ticketctl: Program) -> None:
        rows = [
            {"text": f"{label} {number} {ATTACK}", "label": f"{label} {ATTACK}"}
            for label in "ab"
            for number in range(8)
        ]
        (ticketctl.folder / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
        done = ticketctl("eval", "x.jsonl", "--train", "x.jsonl", "--json")
        form = done.json
        form["predictions"][0]["predicted"] = f"c {ATTACK}"
        (ticketctl.folder / "before.json").write_text(json.dumps(form))
        command = ("eval", "x.jsonl", "--train", "x.jsonl", "--compare", "before.json")
        shown = ticketctl.on_terminal(*command).out
        assert "1 changed" in plain(shown)
        assert sent_raw(shown) <= {"\r", "\x1b"}  # a bar that tells how far the training is
        assert "\x1b]" not in shown
        assert sent_raw(ticketctl(*command).out) <= {"\t"}

    def test_process_escapes_hostile_events(self, ticketctl: Program) -> None:
        hostile = r'"\u001b]0;owned\u0007\u009b2J\u202e"'
        event = f'{{"Records": [{{"messageId": {hostile}, "body": {hostile}}}]}}'
        (ticketctl.folder / "event.json").write_text(event)
        for done in (ticketctl.on_terminal("process", "event.json"), ticketctl("process", "event.json")):
            assert done.status == 8
            assert sent_raw(done.out) <= {"\t"}
            assert r"\x1b]0;owned" in done.out

    def test_markup_in_a_ticket_is_shown_as_text(
        self, ticketctl: Program, ticket: Callable[[str], str]
    ) -> None:
        number = ticket(MARKUP)
        for command in (("list",), ("show", number)):
            assert MARKUP in plain(ticketctl.on_terminal(*command, width=400).out)
            assert MARKUP in ticketctl(*command).out

    def test_a_table_cell_is_one_line(self, ticketctl: Program, ask: Callable[[str], str]) -> None:
        ask("insert into tickets (subject) values (e'a\\tb\\nc\\rd')")
        assert ticketctl("list").out.endswith("\ta\\tb\\nc\\rd\n")
        assert "a\\tb\\nc\\rd" in ticketctl.on_terminal("list").out

    def test_errors_escape_what_they_quote(self, ticketctl: Program) -> None:
        done = ticketctl.on_terminal("list", "--since", TITLE)
        assert done.status == 2
        assert sent_raw(done.out) == set()


class TestLooks:
    def test_list_has_a_header_colours_and_relative_times(self, ticketctl: Program) -> None:
        ticketctl("create", "Fire")
        shown = ticketctl.on_terminal("list").out
        assert COLOUR.search(shown)
        header, row = plain(shown).splitlines()
        assert header.split() == ["ID", "STATUS", "PRIORITY", "CATEGORY", "TEAM", "CREATED", "SUBJECT"]
        assert re.search(r"\d+ (s|min) ago|just now", row)
        assert row.rstrip().endswith("Fire")

    def test_no_color_turns_colours_off(self, ticketctl: Program) -> None:
        number = ticketctl("create", "Fire").out.strip()
        quiet = ticketctl.with_env(NO_COLOR="1")
        for command in (("list",), ("show", number)):
            assert COLOUR.search(ticketctl.on_terminal(*command).out), command
            assert COLOUR.search(quiet.on_terminal(*command).out) is None, command

    def test_piped_output_has_no_escape_sequences(self, ticketctl: Program) -> None:
        number = ticketctl("create", "Fire").out.strip()
        for command in (("list",), ("show", number), ("list", "--json"), ("--help",)):
            assert "\x1b" not in ticketctl.with_env(TERM="xterm-256color", FORCE_COLOR="")(*command).out

    def test_list_is_no_wider_than_the_terminal(self, ticketctl: Program) -> None:
        ticketctl("create", "wide " * 100)
        ticketctl("create", "日本語" * 100)
        for line in plain(ticketctl.on_terminal("list", width=80).out).splitlines():
            assert len(line) <= 80

    def test_create_says_what_to_run_next(self, ticketctl: Program) -> None:
        shown = ticketctl.on_terminal("create", "Fire").out
        assert "next: ticketctl work --drain" in shown

    def test_create_says_that_the_ticket_existed(self, ticketctl: Program) -> None:
        ticketctl("create", "Fire", "--idempotency-key", "k")
        shown = ticketctl.on_terminal("create", "Fire", "--idempotency-key", "k").out
        assert "existed already" in shown

    def test_an_empty_list_says_how_to_create_a_ticket(self, ticketctl: Program) -> None:
        assert "ticketctl create" in ticketctl.on_terminal("list").out
        assert ticketctl.on_terminal("list", "--status", "failed").out == "no tickets\n"

    def test_a_page_says_how_to_get_the_next_one(self, ticketctl: Program) -> None:
        for subject in ("one", "two"):
            ticketctl("create", subject)
        [cursor] = re.findall(r"--after (\S+)", ticketctl.on_terminal("list", "--limit", "1").out)
        assert ticketctl("list", "--after", cursor).out.endswith("\tone\n")

    def test_json_is_indented_on_a_terminal(self, ticketctl: Program) -> None:
        ticketctl("create", "Fire")
        done = ticketctl.on_terminal("list", "--json")
        assert done.json["total"] == 1
        assert done.out.count("\n") > 10


class TestEditor:
    @pytest.fixture
    def editor(self, ticketctl: Program) -> Callable[[str], Path]:
        """Make an editor of a shell script, whose `$1` is the file to edit."""

        def make(script: str) -> Path:
            path = ticketctl.folder / "my editor"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
            return path

        return make

    @staticmethod
    def _create(ticketctl: Program, **variables: str) -> ProgramResult:
        return ticketctl.with_env(**variables).on_terminal("create")

    def test_create_opens_the_editor(self, ticketctl: Program, editor: Callable[[str], Path]) -> None:
        path = editor(r"""printf 'Fire\n\nIt burns.\n# not this\n  Really.\n' > "$1" """)
        done = self._create(ticketctl, EDITOR=f"'{path}'")
        [number] = re.findall(r"ticket (\d+) created", done.out)
        ticket = ticketctl("show", number, "--json").json
        assert (ticket["subject"], ticket["body"]) == ("Fire", "It burns.\n  Really.")

    def test_the_editor_gets_the_terminal_and_an_empty_form(
        self, ticketctl: Program, editor: Callable[[str], Path]
    ) -> None:
        path = editor("""test -t 0 && test -t 1 && grep -c '^#' "$1" && echo 'Fire' > "$1" """)
        assert self._create(ticketctl, VISUAL=f"sh '{path}'", EDITOR="false").status == 0

    @pytest.mark.parametrize(
        ("script", "text"),
        [
            (":", "nothing was written"),
            ('echo > "$1"', "nothing was written"),
            ('echo Fire > "$1"; exit 3', "ended with status 3"),
            ('rm "$1"', "cannot be read"),
            (r"printf '\377' > \"$1\"", "not UTF-8"),
            (r"printf 'a\000b' > \"$1\"", "NUL character"),
        ],
    )
    def test_a_failed_edit_creates_no_ticket(
        self,
        ticketctl: Program,
        rows: Callable[[], str],
        editor: Callable[[str], Path],
        script: str,
        text: str,
    ) -> None:
        done = self._create(ticketctl, EDITOR=f"'{editor(script.replace(chr(92) + chr(34), chr(34)))}'")
        assert (done.status, rows()) == (2, "")
        assert text in done.out

    @pytest.mark.parametrize(
        ("command", "text"),
        [("/nowhere/vi", "the editor /nowhere/vi cannot be run"), ("vi '", "EDITOR cannot be read")],
    )
    def test_a_missing_editor_is_reported(
        self, ticketctl: Program, rows: Callable[[], str], command: str, text: str
    ) -> None:
        done = self._create(ticketctl, EDITOR=command)
        assert (done.status, rows()) == (2, "")
        assert text in done.out
        assert "Traceback" not in done.out

    def test_no_editor_opens_without_a_terminal(self, ticketctl: Program) -> None:
        done = ticketctl.with_env(EDITOR="false").on_terminal("create", stdin=os.devnull)
        assert (done.status, "the subject is missing" in done.out) == (2, True)


@pytest.mark.parametrize("line", ["list --json", "list", "show {}", "export", "--help", "config show"])
def test_a_full_disk_is_reported_in_plain_words(ticketctl: Program, line: str) -> None:
    number = ticketctl("create", "Fire", stdin="x" * 100_000).out.strip()
    done = ticketctl.in_shell(f"{line.format(number)} >/dev/full")
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[0] == "error: the output cannot be written: No space left on device"
    assert len(done.err.splitlines()) == 2


def test_messages_that_cannot_be_written_change_nothing(ticketctl: Program) -> None:
    assert ticketctl.in_shell("create Fire 2>/dev/full </dev/null").status == 0
    assert ticketctl.in_shell("show 424242 2>/dev/full") == ProgramResult(3, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_not_reported_as_a_bug(ticketctl: Program, closed: str) -> None:
    done = ticketctl.in_shell(f"create Fire --body-file - {closed}", stdin=b"x")
    assert "bug" not in done.err
    assert "Traceback" not in done.err
    assert done.status == (2 if closed == "<&-" else 0)
