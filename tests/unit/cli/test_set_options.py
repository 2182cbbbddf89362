from inspect import signature

from ticketctl.cli.commands import decisions
from ticketctl.tickets.models import EDITABLE_FIELDS


def test_set_has_an_option_for_every_field_that_a_person_may_set() -> None:
    options = {name.removesuffix("_file") for name in signature(decisions.set_fields).parameters}
    assert options - {"ticket_ids", "where", "everything", "yes", "as_json"} == set(EDITABLE_FIELDS)
