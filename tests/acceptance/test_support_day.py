"""A support lead's day: five hundred mails come in, are worked on, decided on, answered and exported."""

import csv
import io
import mailbox
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage
from random import Random

from tests.acceptance.test_transfer import mail, mbox, with_attachment
from tests.program import Program

Ask = Callable[[str], str]
TEXTS = (
    "I was charged twice for order {}. Please refund the second payment.",
    "I cannot log in any more: the password reset mail for account {} never arrives.",
    "The app crashes when I open report {}. It worked last week.",
    "Where is my parcel {}? It should have been here on Monday.",
    "Please send me the invoice {} once more, with our VAT number.",
    "It is broken somehow {}",
)
MAILS = 500


def inbox() -> list[EmailMessage]:
    """Return mails of different kinds: questions, replies to some of them, out-of-office mails, HTML, attachments."""
    chance, made = Random(4711), []  # noqa: S311 - a seed makes the run repeatable
    for number in range(MAILS):
        text = TEXTS[number % len(TEXTS)].format(1000 + number)
        if number % 25 == 20:
            one = mail(number, "More about it.", in_reply_to=f"<{number - 5}@example.com>")
        elif number % 25 == 24:
            one = mail(number, "I am away.", auto_submitted="auto-replied")
        elif number % 50 == 1:
            one = with_attachment()
            one.replace_header("Message-ID", f"<{number}@example.com>")
        else:
            one = mail(number, text)
            if chance.random() < 0.1:
                one.set_content(f"<html><body><p>{text}</p></body></html>", subtype="html")
        one.replace_header("Date", "Sat, 31 Jan 2026 12:00:00 +0000")
        made.append(one)
    return made


def test_a_support_leads_day(ticketctl: Program, ask: Ask) -> None:
    lead, grace = (ticketctl.with_env(TICKETCTL_USER=name) for name in ("ada", "grace"))
    (lead.folder / "in.mbox").write_bytes(mbox(*inbox()))
    # the morning: read the mails, let the worker classify them
    done = lead("import", "in.mbox", "--json")
    counts = {name: done.json[name] for name in ("created", "replies", "known", "skipped", "refused")}
    assert counts == {"created": 460, "replies": 20, "known": 0, "skipped": 20, "refused": 0}
    assert lead("import", "in.mbox", "--json").json["created"] == 0
    assert lead("work", "--drain", "--concurrency", "2").status == 0
    assert ask("select count(*) from tickets where status in ('processed', 'needs_review')") == "460"
    # share the work
    unsure = [
        int(line.split("\t")[0])
        for line in lead("list", "--status", "needs_review", "--limit", "1000").out.splitlines()
    ]
    assert unsure
    assert lead("assign", "--status", "needs_review", "--all", "grace").status == 0
    assert len(grace("list", "--assignee", "grace", "--limit", "1000").out.splitlines()) == len(unsure)
    # decide: correct one by one, then many at once, and take one decision back
    first = str(unsure[0])
    assert grace("set", first, "--category", "refund", "--priority", "high").status == 0
    assert grace("note", first, "called back").status == 0
    assert grace("approve", "--assignee", "grace", "--all", "--yes").status == 0
    assert ask("select count(*) from tickets where status = 'needs_review'") == "0"
    assert lead("undo", first).status == 0
    assert ask("select id from tickets where status = 'needs_review'") == first
    assert lead("approve", first).status == 0
    history = [line.split("\t")[1:4] for line in lead("history", first).out.splitlines()]
    assert [row for row in dict.fromkeys(map(tuple, history)) if row[0] == "person"] == [
        ("person", "ada", "assign"),
        ("person", "grace", "set"),
        ("person", "grace", "note"),
        ("person", "grace", "approve"),
        ("person", "ada", "undo"),
        ("person", "ada", "approve"),
    ]
    # answer
    drafts = int(
        ask("""select count(*) from tickets where draft is not null and set_by_human @> '["draft"]'""")
    )
    assert lead("replies", "export", "--from", "desk@example.org", "-o", "out.mbox").status == 0
    with closing(mailbox.mbox(lead.folder / "out.mbox")) as box:
        assert len(box) == drafts
    assert lead("replies", "sent", "--all").status == 0
    # the evening: close what was answered, and report
    assert lead("tag", "--assignee", "grace", "--all", "answered").status == 0
    assert lead("close", "--tag", "answered", "--all").status == 0
    exported = list(csv.DictReader(io.StringIO(lead("export", "--status", "closed").out)))
    assert sorted(int(row["id"]) for row in exported) == sorted(unsure)
    assert {(row["assignee"], row["status"], bool(row["sent_at"])) for row in exported} == {
        ("grace", "closed", True)
    }
    assert lead("export", "--format", "jsonl").out.count("\n") == 460
