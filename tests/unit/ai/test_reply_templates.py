import pytest

from ticketctl.ai.reply_templates import fill, problems


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hello {requester|there}", "Hello Ada"),
        ("About {order_id|your order}", "About your order"),
        ("About {email|}", "About "),
        ("{{subject}} is {subject}", "{subject} is Late"),
        ("no placeholders", "no placeholders"),
    ],
)
def test_filling(template, expected):
    assert fill(template, {"requester": "Ada", "subject": "Late", "order_id": None}) == expected


def test_what_a_ticket_says_is_never_read_as_a_template():
    assert fill("About {subject}", {"subject": "{team} {{x}}", "team": "secret"}) == "About {team} {{x}}"


def test_good_templates_have_no_problems():
    assert list(problems("{{ }} {subject} {order_id|it} {requester|you}", frozenset({"order_id"}))) == []
