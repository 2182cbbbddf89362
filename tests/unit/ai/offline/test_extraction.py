# ruff: noqa: RUF001 - texts in many scripts
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.ai.offline.extraction import MASKED_KINDS, MAX_ENTITIES, extract
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.ai.taxonomy.schema import Identifier

IDENTIFIERS = default_taxonomy().identifiers


def found(text, kind=None):
    return [e.value for e in extract(text, IDENTIFIERS).entities if kind in (None, e.kind)]


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("Write to joe.doe+x@mail.example.co.uk.", "email", ["joe.doe+x@mail.example.co.uk"]),
        ("not@an address, nor @me", "email", []),
        ("See https://example.com/a(b)?c=d. Or (http://x.example/y).", "url", ["https://example.com/a(b)?c=d", "http://x.example/y"]),
        ("www.example.com/path, please", "url", ["www.example.com/path"]),
        ("It cost $20.00, not 1.234,56 € or EUR 5 or 12 dollars", "money", ["$20.00", "1.234,56 €", "EUR 5", "12 dollars"]),
        ("20 users and 3.5 hours", "money", []),
        ("on 2026-11-23, 23.11.2026 and 11/23/2026", "date", ["2026-11-23", "23.11.2026", "11/23/2026"]),
        ("3rd of May 2024, May 3, 3. Mai, le 14 juillet 2025", "date", ["3rd of May 2024", "May 3", "3. Mai", "14 juillet 2025"]),
        ("on Monday or next Freitag", "date", ["Monday", "Freitag"]),
        ("in March 2026", "date", ["March 2026"]),
        ("5/10 of it, 24.5 percent, 3-4 people, it may 3x, 31/31/2020, 2020-13-01", "date", []),
        ("at 14:30, 9:05 pm, 5pm, 14 Uhr, 2026-11-23T08:00:00Z", "time", ["14:30", "9:05 pm", "5pm", "14 Uhr", "08:00:00Z"]),
        ("25:00 or 3:75 or 12:345", "time", []),
        ("order no. 4711, order #A-12, Order: 99, order ABC-12345", "order_id", ["4711", "A-12", "99", "ABC-12345"]),
        ("order 2 days ago, order by mail, in order to 1234x", "order_id", []),
        ("Rechnung Nr. 2024-0815 and invoice INV-2024-001", "invoice_id", ["2024-0815", "INV-2024-001"]),
        ("tracking number is 1Z999AA10123456784", "tracking_id", ["1Z999AA10123456784"]),
        ("version 3.2, v1.2.3-beta1, build 7601, 10.4.2", "version", ["3.2", "v1.2.3-beta1", "7601", "10.4.2"]),
        ("it is 3.2 percent", "version", []),
        ("see report.final.xlsx, C:\\Users\\ada\\log.txt and /var/log/app.log", "file", ["report.final.xlsx", "C:\\Users\\ada\\log.txt", "/var/log/app.log"]),
        ("e.g. this and i.e. that. pdf", "file", []),
        ("error 500, ERR_CONNECTION_REFUSED, 0x80070005, ECONNRESET, ORA-00942", "error_code", ["500", "ERR_CONNECTION_REFUSED", "0x80070005", "ECONNRESET", "ORA-00942"]),
        ("java.lang.NullPointerException, TypeError, Error", "exception", ["java.lang.NullPointerException", "TypeError"]),
        ("10.0.0.1 and 2001:db8::1 and ::1", "ip", ["10.0.0.1", "2001:db8::1", "::1"]),
        ("256.1.1.1, 1.2.3 and 12:30", "ip", []),
        ("+49 30 1234567, (555) 123-4567, 030/1234567, call 5551234", "phone", ["+49 30 1234567", "(555) 123-4567", "030/1234567", "5551234"]),
    ],
)  # fmt: skip
def test_entities_of_a_kind(text, kind, values):
    assert found(text, kind) == values


@pytest.mark.parametrize(
    ("text", "kind", "masked"),
    [
        ("My card 4111 1111 1111 1111 12/27", "card", "•••• 1111"),
        ("4111-1111-1111-1111", "card", "•••• 1111"),
        ("378282246310005.", "card", "•••• 0005"),
        ("tracking number 4111111111111111", "card", "•••• 1111"),
        ("4111\u00a01111\u00a01111\u00a01111", "card", "•••• 1111"),
        ("４１１１１１１１１１１１１１１１", "card", "•••• １１１１"),
        ("IBAN DE89 3704 0044 0532 0130 00 and more", "iban", "•••• 3000"),
        ("gb82west12345698765432", "iban", "•••• 5432"),
    ],
)
def test_cards_and_ibans_are_masked_in_place(text, kind, masked):
    entities = extract(text, IDENTIFIERS).entities
    (secret,) = [entity for entity in entities if entity.kind == kind]
    assert secret.value == masked
    assert len(re.sub(r"\W", "", text[secret.start : secret.end])) > 12
    assert not any(
        char.isdigit() for e in entities if e is not secret for char in e.value if len(e.value) > 6
    )


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "1234567812345670",
        "41111111111111111111111",
        "DE00 3704 0044 0532 0130 00",
        "XX82WEST12345698765432",
    ],
)
def test_numbers_with_a_wrong_checksum_are_not_cards_or_ibans(text):
    assert not [e for e in extract(text, IDENTIFIERS).entities if e.kind in MASKED_KINDS]


@given(
    st.text(alphabet=st.sampled_from("a1 4.:/@-$€+#\n(:)eError vN°,'"), max_size=120) | st.text(max_size=200)
)
def test_entities_are_ordered_disjoint_and_literal(text):
    entities = extract(text, IDENTIFIERS).entities
    end = 0
    for entity in entities:
        assert end <= entity.start < entity.end <= len(text)
        assert entity.kind in MASKED_KINDS or entity.value == text[entity.start : entity.end]
        end = entity.end


def test_identifiers_can_be_configured():
    own = (Identifier(kind="asset", keywords=("asset tag", "c++"), pattern=r"AT\d{4}"),)
    assert [
        e.value for e in extract("Asset  tag AT1234; asset tag: at9999; c++ no. AT0001", own).entities
    ] == [
        "at9999",
        "AT0001",
    ]


def test_number_of_entities_is_limited():
    assert len(extract("10.0.0.1 " * (MAX_ENTITIES * 2), IDENTIFIERS).entities) == MAX_ENTITIES
