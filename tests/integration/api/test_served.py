"""Requests made of the API's own document, sensible ones and others, against the program that serves it."""

import os
from collections.abc import Iterator
from itertools import product

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.serving import served

TOKEN = {"Authorization": "Bearer a-token"}
EXAMPLES = 50
OPERATIONS = [
    ("/tickets", "POST"),
    ("/tickets", "GET"),
    ("/tickets/{ticket_id}", "GET"),
    ("/tickets/{ticket_id}/retry", "POST"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
]
ASKED = [
    (operation, mode)
    for operation, mode in product(OPERATIONS, GenerationMode)
    if operation != ("/healthz", "GET") or mode is GenerationMode.POSITIVE  # nothing of it can be wrong
]


@pytest.fixture(scope="module")
def url(shared_database_url: str) -> Iterator[str]:
    environment = os.environ | {
        "TICKETCTL_DATABASE_URL": shared_database_url,
        "TICKETCTL_API_TOKENS": "rw:a-token",
        "TICKETCTL_API_RATE": "1000000",
    }
    with served(environment) as found:
        yield found


@pytest.fixture(scope="module")
def document(url: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


def test_the_operations_are_these(document: BaseSchema) -> None:
    found = [(made.path, made.method.upper()) for made in (one.ok() for one in document.get_all_operations())]
    assert found == OPERATIONS


@pytest.mark.parametrize(("operation", "mode"), ASKED)
def test_every_answer_is_one_that_the_document_tells_of(
    document: BaseSchema, operation: tuple[str, str], mode: GenerationMode
) -> None:
    path, method = operation
    cases = document[path][method].as_strategy(generation_mode=mode)
    asked = []

    # the number makes examples of operations that take no input; no schema tells which cursors there are
    @given(case=cases, _number=st.integers())
    @examples(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case, _number: int) -> None:
        asked.append(case)
        case.call_and_validate(headers=TOKEN, excluded_checks=[positive_data_acceptance])

    ask()
    assert len(asked) >= EXAMPLES
