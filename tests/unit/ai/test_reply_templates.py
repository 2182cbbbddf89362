import pytest

from ticketctl.ai.reply_templates import fill_template, find_template_problems


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hello {requester|there}", "Hello Ada"),
        ("About {order_id|your order}", "About your order"),
        ("About {email|}, hello", "About, hello"),
        ("Checking {requester|it|Ms *}", "Checking Ms Ada"),
        ("Checking{order_id|| for order *}.", "Checking."),
        ("Checking{requester|| for *}.", "Checking for Ada."),
        ("{{subject}} is {subject}", "{subject} is Late"),
        ("no placeholders", "no placeholders"),
    ],
)
def test_placeholders_are_filled(template, expected):
    assert fill_template(template, {"requester": "Ada", "subject": "Late", "order_id": None}) == expected


def test_ticket_text_is_never_parsed_as_a_template():
    assert (
        fill_template("About {subject}", {"subject": "{team} {{x}}", "team": "secret"})
        == "About {team} {{x}}"
    )


def test_valid_templates_have_no_problems():
    assert (
        list(find_template_problems("{{ }} {subject} {order_id|it} {requester|you}", frozenset({"order_id"})))
        == []
    )
