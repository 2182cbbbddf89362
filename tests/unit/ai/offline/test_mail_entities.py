from ticketctl.ai.offline.mail_entities import extract_from_mail
from ticketctl.ai.taxonomy.loader import default_taxonomy

IDENTIFIERS = default_taxonomy().identifiers


def test_entities_of_quoted_mail_and_signatures_are_left_out():
    text = "Order 4711\n\nI paid $20.00.\n> You paid $99.00\nMail me at ada@example.com\n\nBest regards,\nAda\n+1 555 123 4567"
    entities = extract_from_mail(text, IDENTIFIERS).entities
    assert [(e.kind, e.value) for e in entities] == [
        ("order_id", "4711"), ("money", "$20.00"), ("email", "ada@example.com"),
    ]  # fmt: skip
    assert [text[e.start : e.end] for e in entities] == [e.value for e in entities]


def test_entities_of_html_have_their_place_in_the_markup():
    text = (
        'x\n\n<html><body><p>Card <b>4111 1111 1111 1111</b></p><p>for $5.00</p><img src="https://track.example/p.gif">'
        "</body></html>"
    )
    card, money = extract_from_mail(text, IDENTIFIERS).entities
    assert (card.kind, card.value, text[card.start : card.end]) == (
        "card",
        "•••• 1111",
        "4111 1111 1111 1111",
    )
    assert (money.kind, text[money.start : money.end]) == ("money", "$5.00")


def test_entities_of_a_forwarded_mail_are_kept():
    text = "Fwd: x\n\n---------- Forwarded message ---------\nFrom: a@b.example\nTo: c@d.example\n\nOrder #A-5512 is late."
    assert [e.value for e in extract_from_mail(text, IDENTIFIERS).entities] == ["A-5512"]
