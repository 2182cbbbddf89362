"""The sender's own words in mails of several programs, and HTML as text."""

import pytest

from ticketctl.ai.offline.classifier import read_mail
from ticketctl.ai.offline.html_text import html_to_text, is_html
from ticketctl.ai.offline.mail_text import find_own_spans, own_words

OWN = "Question\n\nHow do I share a board?"

REPLIES = [
    "On Mon, May 4, 2026 at 9:12 AM Support <a@b.example> wrote:\n> refund",
    "On Mon, May 4, 2026 at 9:12 AM Support\n<a@b.example> wrote:\n\n> refund",
    "Am 04.05.2026 um 09:12 schrieb Support <a@b.example>:\n> Erstattung",
    "Le lun. 4 mai 2026 à 09:12, Support <a@b.example> a écrit :\n> remboursement",
    "El lun, 4 may 2026 a las 9:12, Soporte (<a@b.example>) escribió:\n> reembolso",
    "Em seg., 4 de mai. de 2026 às 09:12, Suporte <a@b.example> escreveu:\n> reembolso",
    "Il giorno lun 4 mag 2026 alle ore 09:12 Supporto <a@b.example> ha scritto:\n> rimborso",
    "Op ma 4 mei 2026 om 09:12 schreef Support <a@b.example>:\n> terugbetaling",
    "-----Original Message-----\nFrom: a@b.example\n\nrefund",
    "-----Ursprüngliche Nachricht-----\nVon: a@b.example\n\nErstattung",
    "From: Support <a@b.example>\nSent: Monday, May 4, 2026 9:12 AM\nTo: Ada\nSubject: Re: refund\n\nrefund",
    "Von: Support <a@b.example>\nGesendet: Montag, 4. Mai 2026\nAn: Ada\nBetreff: AW: Erstattung\n\nErstattung",
    "De : Support <a@b.example>\nEnvoyé : lundi 4 mai 2026\nÀ : Ada\nObjet : RE: remboursement\n\nremboursement",
    "> refund\n> urgent",
    "-- \nAda Byron\nrefund department",
    "Best regards,\nAda Byron\nHead of refunds",
    "Mit freundlichen Grüßen\nAda Byron\nErstattungen AG",
    "Cordialement,\nAda Byron\nService des remboursements",
    "Met vriendelijke groet,\nAda",
    "Sent from my iPhone",
    "Von meinem iPhone gesendet",
    "CONFIDENTIALITY NOTICE: this mail is confidential. Report a security breach urgently.",
    "This e-mail and its attachments are strictly confidential. Report a breach.",
    "Diese E-Mail enthält vertrauliche Informationen.",
]


@pytest.mark.parametrize("rest", REPLIES)
def test_only_the_senders_own_words_are_left(rest):
    assert own_words(f"{OWN}\n\n{rest}") == OWN


@pytest.mark.parametrize(
    "text",
    [
        "Regards",
        "> all of it is quoted",
        "Kind regards, I am waiting since Monday for an answer to my question about the invoice, please.",
        "From: where do I start?\n\nI am new here.",
        "On Monday I wrote:\nnothing happened",
        "To: do list\nis gone",
    ],
)
def test_text_of_the_sender_is_never_cut(text):
    assert own_words(text) == text


def test_a_forwarded_mail_is_kept_without_its_header():
    forwarded = (
        "Fwd: complaint\n\nPlease handle.\n\n---------- Forwarded message ---------\nFrom: Tom <t@x.example>\n"
        "Date: Mon, Mar 2, 2026\nSubject: complaint\nTo: <s@r.example>\n\nThe page stays blank after I press Pay."
    )
    assert own_words(forwarded).split("\n\n")[1].strip() == "Please handle."
    assert own_words(forwarded).endswith("The page stays blank after I press Pay.")
    assert "complaint" not in read_mail(forwarded)


@pytest.mark.parametrize(
    "separator",
    ["-----Original Message-----", "-------- Weitergeleitete Nachricht --------", "Begin forwarded message:"],
)
def test_forwards_of_other_programs_are_kept(separator):
    text = f"FW: card\n\nsee below\n\n{separator}\nFrom: t@x.example\nSubject: card\n\n> My card was declined yesterday."
    assert own_words(text).endswith("My card was declined yesterday.")
    assert "x.example" not in own_words(text)


def test_an_answer_below_a_quoted_disclaimer_is_read():
    text = f"> Refunds take a week.\n> This e-mail is strictly confidential.\n{OWN}"
    assert own_words(text) == OWN


def test_spans_are_places_in_the_original():
    text = f"{OWN}\n\n> quoted\nand now?"
    assert [text[start:end] for start, end in find_own_spans(text)] == [
        "Question",
        "",
        "How do I share a board?",
        "",
        "and now?",
    ]


HTML = (
    "<html><head><style>p{color:red}</style><title>x</title></head><body><p>Hi,</p><p>the <b>search</b> returns "
    "<i>no results</i>&nbsp;since 1 March.</p><table><tr><td>Browser</td><td>Firefox</td></tr></table>"
    "<script>alert(1)</script><blockquote>On Monday we wrote<br>refund</blockquote></body></html>"
)


def test_html_becomes_the_text_that_a_reader_sees():
    assert is_html(HTML)
    text = html_to_text(HTML)
    assert text.split("\n")[:3] == ["Hi,", "the search returns no results since 1 March.", "Browser Firefox"]
    assert "alert" not in text
    assert "color" not in text
    assert "refund" not in own_words(f"search\n\n{text}")


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)> is executed",
        "a < b and c > d",
        "The tag <p> is shown as text",
        "",
        "<" * 500,
    ],
)
def test_text_about_html_is_no_html(text):
    assert not is_html(text)


@pytest.mark.parametrize(
    "html", ["<div>" * 30_000, "<b><div>" * 5_000 + "text", "<p>" * 10_000, "<html>" + "<" * 90_000]
)
def test_hostile_html_is_read(html):
    assert isinstance(html_to_text(html), str)
