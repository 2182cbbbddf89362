"""Tickets from files and to files: what becomes of each record, and that nothing is made twice."""

import csv
import io
import json
from collections.abc import Callable
from email.message import EmailMessage

import pytest

from tests.program import Program
from ticketctl.tickets.importing.mail import SIZE_LIMIT, parse_mail
from ticketctl.tickets.importing.records import ImportedTicket, Refused

Ask = Callable[[str], str]


def mail(number: int, text: str | None = "It burns.", **headers: str) -> EmailMessage:
    """Return a mail; headers are given as `in_reply_to`."""
    made = EmailMessage()
    made["From"], made["Subject"] = "Ada <ada@example.com>", f"Printer {number}"
    made["Message-ID"] = f"<{number}@example.com>"
    made["Date"] = f"Sat, 31 Jan 2026 12:{number:02}:00 +0000"
    for name, value in headers.items():
        del made[name.replace("_", "-")]
        made[name.replace("_", "-")] = value
    if text is not None:
        made.set_content(text)
    return made


def mbox(*mails: EmailMessage) -> bytes:
    return b"".join(b"From x Sat Jan 31 12:00:00 2026\n" + bytes(one) + b"\n" for one in mails)


def outcomes(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_a_csv_file_is_imported_once_and_each_bad_line_is_named(ticketctl: Program, ask: Ask) -> None:
    text = (
        'Betreff,Text,requester,tags,created_at\n"Refund, please",line 1,ada@example.com,"a b",2026-01-31\n'
        "too,few\n,empty,,,\nx,y,nobody,,\nx,y,,,yesterday\n" + 'bad"quote"x,"y"z,,,\n' + "last,,,,\n"
    )
    (ticketctl.folder / "t.csv").write_text(text)
    command = ("import", "t.csv", "--map", "subject=betreff", "--map", "body=Text")
    assert ticketctl(*command, "--dry-run").err.startswith("2 tickets would be created")
    assert ask("select count(*) from tickets") == "0"
    done = ticketctl(*command)
    assert done.status == 8
    assert [(place, outcome) for place, outcome, _ in outcomes(done.out)] == [
        (f"t.csv:{line}", "refused") for line in (3, 4, 5, 6, 7)
    ]
    assert done.err.startswith(
        "2 tickets created, 0 replies, 0 known already, 0 skipped, 5 refused\nerror: 5 of 7"
    )
    assert ask(
        "select subject, requester, tags, created_by, created_at::date from tickets order by id limit 1"
    ) == ('Refund, please|ada@example.com|["a", "b"]|import:t.csv|2026-01-31')
    assert ask("select count(*) from messages") == "2"
    assert ticketctl(*command).err.startswith("0 tickets created, 0 replies, 2 known already")
    assert ask("select count(*), max(id) - min(id) from tickets") == "2|1"


@pytest.mark.parametrize(
    ("name", "content", "status", "message"),
    [
        ("t.csv", b"", 2, "t.csv is empty"),
        ("t.csv", b"a,b\n1,2\n", 2, "t.csv has no column for the subject"),
        ("t.csv", "subject\nGrüße\n".encode("latin-1"), 8, "1 of 1 record became no ticket"),
        ("t.csv", b'subject\n"never closed\n' + b"x" * 900_000, 8, "1 of 1 record became no ticket"),
        ("t.jsonl", b'{"subject": 1}\n[]\n{\n' + b"[" * 100_000 + b"\n", 8, "4 of 4 records"),
        ("t.mbox", b"no mail\n", 8, "1 of 1 record"),
        ("t.txt", b"x", 2, "the format of t.txt is unknown"),
    ],
)
def test_what_cannot_be_read_is_said(
    ticketctl: Program, ask: Ask, name: str, content: bytes, status: int, message: str
) -> None:
    (ticketctl.folder / name).write_bytes(content)
    done = ticketctl("import", name)
    assert (done.status, "Traceback" in done.err) == (status, False)
    assert f"error: {message}" in done.err
    assert ask("select count(*) from tickets") == "0"


def test_another_encoding_can_be_named(ticketctl: Program, ask: Ask) -> None:
    (ticketctl.folder / "t.csv").write_bytes("subject\nGrüße\n".encode("latin-1"))
    assert ticketctl("import", "t.csv", "--encoding", "latin-1").status == 0
    assert ask("select subject from tickets") == "Grüße"
    assert ticketctl("import", "t.csv", "--encoding", "klingon").status == 2


def test_replies_become_notes_and_reopen_and_automatic_mails_are_skipped(
    ticketctl: Program, ask: Ask
) -> None:
    reply = mail(2, "It still burns.", references="<1@example.com>")
    (ticketctl.folder / "in.mbox").write_bytes(
        mbox(
            mail(1),
            reply,
            mail(3, "And smokes.", in_reply_to="<2@example.com>"),
            mail(4, auto_submitted="auto-replied"),
            mail(5, precedence="bulk"),
            mail(6, "\n>From here on it burns.\nFrom the start.\n"),
        )
    )
    done = ticketctl("import", "in.mbox")
    assert done.err == "2 tickets created, 2 replies, 0 known already, 2 skipped, 0 refused\n"
    assert [row[1] for row in outcomes(done.out)] == ["skipped", "skipped"]
    assert ask("select note from changes order by id") == "It still burns.\nAnd smokes."
    first = ask("select min(id) from tickets")
    assert ticketctl("close", first).status == 0
    (ticketctl.folder / "more.mbox").write_bytes(mbox(reply, mail(7, "Help!", in_reply_to="<3@example.com>")))
    assert ticketctl("import", "more.mbox", "--json").json.items() >= {"replies": 1, "known": 1}.items()
    assert ask(f"select status from tickets where id = {first}") == "new"  # noqa: S608 - a number
    notes = ticketctl("show", first, "--json").json["notes"]
    assert [(note["actor_kind"], note["actor"]) for note in notes] == [("import", "ada@example.com")] * 3
    assert ticketctl("import", "in.mbox").err.startswith("0 tickets created, 0 replies, 4 known already")


def test_a_maildir_and_a_folder_of_mails_are_read_in_the_order_of_their_dates(
    ticketctl: Program, ask: Ask
) -> None:
    maildir, folder = ticketctl.folder / "Maildir", ticketctl.folder / "mails"
    (maildir / "cur").mkdir(parents=True)
    (maildir / "new").mkdir()
    folder.mkdir()
    (maildir / "cur" / "a:2,S").write_bytes(bytes(mail(2, in_reply_to="<1@example.com>")))
    (maildir / "new" / "b").write_bytes(bytes(mail(1)))
    (folder / "x.eml").write_bytes(bytes(mail(3)))
    assert ticketctl("import", "Maildir").err.startswith("1 ticket created, 1 reply,")
    assert ticketctl("import", "mails").err.startswith("1 ticket created")
    assert ask("select subject from tickets order by id").split("\n") == ["Printer 1", "Printer 3"]
    assert ticketctl("import", "-", "--format", "eml", stdin=bytes(mail(4))).status == 0
    (ticketctl.folder / "empty").mkdir()
    assert ticketctl("import", "empty").err.startswith("error: the folder empty has no mails\n")


def with_attachment() -> EmailMessage:
    made = mail(1)
    made.add_alternative("<p>It <b>burns</b>.</p>", subtype="html")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="in\u202evoice.pdf")
    return made


def test_a_mail_becomes_a_ticket_with_its_attachments_listed() -> None:
    parsed = parse_mail(bytes(with_attachment()), "x")
    assert isinstance(parsed, ImportedTicket)
    assert parsed.ticket.body.startswith("It burns.\n\nAttachments (not stored):\n- in")
    assert parsed.ticket.body.endswith("voice.pdf (application/pdf, 4 bytes)")
    assert (parsed.ticket.requester, parsed.ticket.idempotency_key) == ("ada@example.com", "<1@example.com>")
    html = mail(1, None)
    html.set_content("<style>x</style><p>It&nbsp;burns.</p><p>Help</p>", subtype="html")
    found = parse_mail(bytes(html), "x")
    assert isinstance(found, ImportedTicket)
    assert found.ticket.body == "It burns.\n\nHelp"


BOMB = b"".join(
    b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number) for number in range(5000)
)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"From: a@b.c\n\n", "the mail has neither a subject nor text"),
        (b"x" * (SIZE_LIMIT + 1), "the mail has more than 30,000,000 bytes"),
        (BOMB, "the mail has more than 100 nested parts"),
        (bytes(with_attachment())[:-60], "the mail is cut off: its last part does not end"),
    ],
    ids=["empty", "large", "bomb", "cut off"],
)
def test_a_mail_that_becomes_no_ticket_says_why(raw: bytes, reason: str) -> None:
    assert parse_mail(raw, "x", is_last=True) == Refused(place="x", reason=reason)


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: text/plain; charset=klingon",
        b"Content-Type: text/plain; charset=\xff",
        b"Subject: =?utf-8?b?////?=\nFrom: <<<>>",
        b"Date: 99 Foo 99999 99:99\nMessage-ID: <" + b"x" * 2000 + b">",
        b"Subject: \x00\nSubject: two\nFrom: \xff\xfe",
        b"Content-Transfer-Encoding: base64\nContent-Type: text/html",
        b"Subject: " + b"long " * 500,
    ],
)
def test_a_malformed_mail_never_raises(header: bytes) -> None:
    parsed = parse_mail(header + b"\n\nIt burns \xff\x00.\n", "x")
    assert isinstance(parsed, ImportedTicket | Refused)
    if isinstance(parsed, ImportedTicket):
        assert len(parsed.ticket.idempotency_key or "") <= 255


def test_an_export_can_be_imported_again(ticketctl: Program, ask: Ask) -> None:
    ask(
        "insert into tickets (subject, body, idempotency_key) select 's' || n, e'a\\nb', 'k' || n from generate_series(1, 2500) n"
    )
    assert ticketctl("export", "-o", "t.jsonl").err == "2,500 tickets written\n"
    ask("delete from tickets")
    done = ticketctl("import", "t.jsonl")
    assert (done.status, done.err.split(",")[0]) == (0, "2")
    assert (
        ask("select count(*), min(body), max(body) from tickets where idempotency_key like 'k%'")
        == "2500|a\nb|a\nb"
    )


def test_csv_is_safe_in_a_spreadsheet_unless_raw(ticketctl: Program, ask: Ask) -> None:
    ask("insert into tickets (subject, status) values ('=1+1', 'new'), ('-', 'closed'), (e'a\\x1b', 'new')")
    read = lambda text: list(csv.DictReader(io.StringIO(text)))  # noqa: E731 - it is short
    fields = ("--fields", "id,subject", "--status", "new")
    assert [row["subject"] for row in read(ticketctl("export", *fields).out)] == ["'=1+1", "a\\x1b"]
    assert [row["subject"] for row in read(ticketctl("export", "--raw", *fields).out)] == ["=1+1", "a\x1b"]
    lines = ticketctl("export", "--format", "jsonl", *fields).out.splitlines()
    assert [json.loads(line)["subject"] for line in lines] == ["=1+1", "a\x1b"]
    done = ticketctl("export", "--status", "failed")
    assert (done.status, done.err.splitlines()[0]) == (3, "error: no ticket matches")
    assert ticketctl("export", "--fields", "colour").status == 2


def test_an_export_without_a_match_leaves_the_file_as_it_is(ticketctl: Program) -> None:
    ticketctl("create", "x")
    (ticketctl.folder / "out.csv").write_text("the last export")
    done = ticketctl("export", "--status", "failed", "--output", "out.csv")
    assert (done.status, done.out) == (3, "")
    assert (ticketctl.folder / "out.csv").read_text() == "the last export"
    assert ticketctl("export", "--status", "failed").out == ""
