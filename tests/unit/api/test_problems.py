from contextlib import nullcontext
from typing import Any

import httpx
import pytest

from tests.fakes import FakeStore
from ticketctl import errors
from ticketctl.api.app import create_app
from ticketctl.api.problems import STATUSES
from ticketctl.errors import TicketctlError
from ticketctl.settings import Settings
from ticketctl.tickets.operator_resources import OperatorResources

SECRET = "db.internal:5432"  # noqa: S105 - must not reach a client
tree = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, TicketctlError)
}


async def get_response(error: Exception) -> httpx.Response:
    """Return the response to a request for which the store raises the error."""
    resources = OperatorResources(
        store=FakeStore(failing={"get_details": error}),
        operations=None,  # type: ignore[arg-type]
        outbox=None,  # type: ignore[arg-type]
        queue=None,  # type: ignore[arg-type]
        sender=None,
        decisions=None,  # type: ignore[arg-type]
        imports=None,  # type: ignore[arg-type]
        replies=None,  # type: ignore[arg-type]
        make_reviews=None,  # type: ignore[arg-type]
    )
    app = create_app(Settings(), lambda: nullcontext(resources))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.get("/tickets/1")


@pytest.mark.parametrize("name", tree)
async def test_every_error_of_the_tree_becomes_a_problem(name: str, caplog: pytest.LogCaptureFixture) -> None:
    kind = tree[name]
    response = await get_response(kind(f"it is at {SECRET}", hint="look there"))
    problem = response.json()
    nearest = next(STATUSES[one] for one in kind.__mro__ if one in STATUSES)
    assert response.status_code == problem["status"] == nearest
    assert response.headers["content-type"] == "application/problem+json"
    if response.status_code < 500:
        assert (problem["detail"], problem["hint"]) == (f"it is at {SECRET}", "look there")
        assert not caplog.records
    else:
        assert SECRET not in response.text
        assert problem["detail"] == kind.__doc__
        assert response.headers.get("retry-after") == ("5" if response.status_code == 503 else None)
        (record,) = caplog.records
        assert SECRET in record.getMessage()
        assert record.exc_info is not None


@pytest.mark.parametrize("error", [RuntimeError(SECRET), KeyError(SECRET), RecursionError()])
async def test_the_response_to_a_bug_has_no_details(error: Exception) -> None:
    response = await get_response(error)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert SECRET not in response.text
    assert "bug" in response.json()["detail"]


async def test_empty_fields_are_left_out() -> None:
    response = await get_response(errors.NotFoundError("gone"))
    expected: dict[str, Any] = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "gone"}
    assert response.json() == expected
