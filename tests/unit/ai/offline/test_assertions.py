import pytest

from ticketctl.ai.offline.assertions import find_cued_label, remove_denials, remove_quotations

PHRASES = ("outage", "down", "urgent", "want to cancel", "panne", "dringend", "d urgence")


@pytest.mark.parametrize(
    ("text", "remaining"),
    [
        ("Nothing is down, no outage. A typo.", " A typo."),
        ("The service is not down but the export fails", " the export fails"),
        ("We do not want to cancel. Add three seats.", " Add three seats."),
        ("Le service n'est pas en panne : une faute", " une faute"),
        ("Es ist nicht dringend, der Export fehlt", " der Export fehlt"),
        ("The export fails. It isn\u2019t urgent.", "The export fails."),
        ("I do not get mails", "I do not get mails"),
        (
            "No access since the outage started at nine in the morning",
            "No access since the outage started at nine in the morning",
        ),
        ("The service is down, not slow", "The service is down, not slow"),
        ("no outage", "no outage"),
    ],
)
def test_denials_are_removed(text, remaining):
    phrases = PHRASES if "No access" not in text else ("urgent",)
    assert remove_denials(text, phrases) == remaining


def test_clauses_with_a_filler_are_removed():
    assert remove_denials("When you have time: a typo", (), ("when you have time",)) == " a typo"


@pytest.mark.parametrize(
    "quoted",
    [
        '"you were hacked"',
        "\u201cyou were hacked\u201d",
        "\u201eSie wurden gehackt\u201c",
        "\u00abhacked again\u00bb",
    ],
)
def test_quotations_are_removed(quoted):
    assert remove_quotations(f"It says {quoted} on the page").split() == ["It", "says", "on", "the", "page"]


def test_a_cue_needs_all_of_its_parts_in_one_sentence():
    cues = (("changed + my password", "security"), ("hacked", "security"))
    assert find_cued_label("Somebody changed it, namely my password!", cues) == "security"
    assert find_cued_label("The design changed. I forgot my password.", cues) is None
    assert find_cued_label("I was hacked", cues) == "security"
    assert find_cued_label("I shacked up", cues) is None
