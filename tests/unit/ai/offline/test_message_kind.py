import pytest

from ticketctl.ai.offline.message_kind import detect_message_kind
from ticketctl.ai.taxonomy.loader import default_taxonomy

KINDS = default_taxonomy().kinds


@pytest.mark.parametrize(
    "text",
    [
        "Bounces\n\nOur customers get \u201cUndelivered Mail Returned to Sender\u201d when we send invoices through your tool.",
        "Holidays\n\nI am on vacation in July. Can you pause our plan until August?",
        "Thank you\n\nThank you for the quick answer, but the export still does not work.",
        "Re: ticket\n\nThanks. Could you also send the invoice?",
        "Prize draw\n\nWe run a lottery with your form builder and the prize field is missing in our account",
        "Loan calculator\n\nThe interest rate in the loan template is wrong since your update",
        "Automatic renewal\n\nPlease turn it off.",
        "Re: invoice\n\nThe invoice is wrong",
        "Dashboard\n\nWe have limited access to our reports until Friday. Please fix it.",
        "Sync stopped\n\nSince the update files are not forwarded to our archive until we restart the agent.",
        "Export\n\nTot maandag werkte de export. Nu kunnen wij, als we niet op kantoor zijn, niets doen.",
        "",
        "\n\n",
    ],
)
def test_a_ticket_that_resembles_another_kind_stays_a_ticket(text):
    assert detect_message_kind(text, KINDS) is None


def test_reply_prefixes_do_not_hide_a_subject():
    kind = detect_message_kind("Re: AW: Automatic reply: invoice\n\nI am back on Monday.", KINDS)
    assert kind is not None
    assert kind.name == "auto_reply"


@pytest.mark.parametrize(
    "text",
    [
        "Re: invoice\n\nI am out of the office until 17 August. For urgent matters contact jane@example.com.",
        "AW: Rechnung\n\nIch bin im Urlaub bis zum 4. Mai. In dringenden F\u00e4llen hilft meine Vertretung.",
        "Re: facture\n\nJe suis absent du bureau jusqu'au 5 mai. En cas d'urgence, contactez jane@example.com.",
        "Re: factura\n\nEstoy de vacaciones hasta el 5. Para asuntos urgentes: jane@example.com.",
    ],
)
def test_an_absence_note_is_recognised_without_its_subject(text):
    kind = detect_message_kind(text, KINDS)
    assert kind is not None
    assert kind.name == "auto_reply"
