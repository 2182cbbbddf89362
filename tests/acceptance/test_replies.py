"""Approved replies leave as mails that any mailer can send, once."""

import mailbox
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

import pytest

from tests.acceptance.test_transfer import mail, mbox
from tests.program import Program

Ask = Callable[[str], str]
FROM = ("--from", "Desk <desk@example.org>")


@pytest.fixture
def approved(ticketctl: Program, ask: Ask) -> str:
    """A processed ticket that came by mail, with an approved draft."""
    (ticketctl.folder / "in.mbox").write_bytes(mbox(mail(1)))
    assert ticketctl("import", "in.mbox").status == 0
    ask(
        "update tickets set status = 'needs_review', processed_at = now(), draft = e'Dear Ada,\\nFrom now on it works.\\n'"
    )
    number = ask("select id from tickets")
    assert ticketctl("approve", number).status == 0
    return number


def test_a_reply_has_the_headers_of_a_reply_and_is_sent_once(ticketctl: Program, approved: str) -> None:
    assert ticketctl("replies", "list").out == f"{approved}\tada@example.com\tPrinter 1\n"
    assert ticketctl("replies", "export", *FROM, "-o", "out.mbox").err.startswith("1 reply written")
    with closing(
        mailbox.mbox(ticketctl.folder / "out.mbox", factory=BytesParser(policy=default).parse)
    ) as box:
        [sent] = box
    assert isinstance(sent, EmailMessage)
    assert (sent["from"], sent["to"]) == ("Desk <desk@example.org>", "ada@example.com")
    assert (sent["subject"], sent["in-reply-to"]) == ("Re: Printer 1", "<1@example.com>")
    assert sent["message-id"].startswith(f"<ticketctl-{approved}-")
    assert (
        sent.get_content() == "Dear Ada,\n>From now on it works.\n"
    )  # mailbox reads mboxo and keeps the quote
    assert ticketctl("replies", "sent", approved).out == f"{approved}\n"
    assert ticketctl("replies", "list").out == ""
    assert ticketctl("replies", "sent", approved).status == 2
    assert ticketctl("undo", approved).out == f"{approved}\tsend\n"
    assert ticketctl("replies", "sent", "--all").status == 0
    answer = mbox(mail(2, "Thanks, but no.", references=sent["message-id"]))
    assert ticketctl("import", "-", "--format", "mbox", stdin=answer).err.startswith(
        "0 tickets created, 1 reply,"
    )
    shown = ticketctl("show", approved, "--json").json
    assert (shown["status"], shown["sent_at"], shown["notes"][0]["text"]) == (
        "needs_review",
        None,
        "Thanks, but no.",
    )


def test_each_reply_can_be_a_file_and_a_bad_address_is_refused(
    ticketctl: Program, ask: Ask, approved: str
) -> None:
    ask(
        "insert into tickets (subject, requester, status, draft, set_by_human) values ('x', 'a@b.c, d@e.f', 'processed', 'Hi', '[\"draft\"]')"
    )
    done = ticketctl("replies", "export", *FROM, "--format", "eml", "--output", "out")
    assert (done.status, [path.name for path in (ticketctl.folder / "out").iterdir()]) == (
        8,
        [f"{approved}.eml"],
    )
    assert "is not one e-mail address" in done.err
    assert ticketctl("replies", "export", *FROM, "--format", "eml").status == 2
    assert ticketctl("replies", "export", "--from", "nobody").status == 2


def test_a_draft_that_nobody_approved_is_not_exported(ticketctl: Program, ask: Ask) -> None:
    ask("insert into tickets (subject, requester, status, draft) values ('x', 'a@b.c', 'processed', 'Hi')")
    assert ticketctl("replies", "list").out == ""
    number = ask("select id from tickets")
    done = ticketctl("replies", "sent", number)
    assert done.err.startswith(f"error: ticket {number} has no approved reply that was not sent\n")


@pytest.mark.parametrize("group", ["dlq", "outbox", "replies", "db", "config", "deploy"])
def test_the_help_of_a_group_cuts_no_summary(ticketctl: Program, group: str) -> None:
    assert "..." not in ticketctl.on_terminal(group, "--help", width=80).out.partition("Commands")[2]


def test_an_export_without_replies_keeps_the_file(ticketctl: Program, approved: str) -> None:
    file = ticketctl.folder / "out.mbox"
    file.write_text("yesterday's")
    assert ticketctl("replies", "sent", approved).status == 0
    done = ticketctl("replies", "export", *FROM, "-o", "out.mbox")
    assert (done.status, done.err) == (0, "no approved reply waits to be sent\n")
    done = ticketctl("replies", "export", approved, *FROM, "-o", "out.mbox")
    assert done.status == 8
    assert f"warning: ticket {approved} has no approved reply that was not sent\n" in done.err
    assert file.read_text() == "yesterday's"
