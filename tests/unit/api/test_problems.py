from contextlib import nullcontext
from typing import Any

import httpx
import pytest

from tests.fakes import FakeStore
from ticketctl import errors
from ticketctl.api.app import create_app
from ticketctl.api.problems import STATUSES
from ticketctl.errors import TicketctlError
from ticketctl.runtime import OperatorResources
from ticketctl.settings import Settings

SECRET = "db.internal:5432"  # noqa: S105 - what no client should read
tree = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, TicketctlError)
}


async def answer_to(error: Exception) -> httpx.Response:
    """What a client gets where the store raises that."""
    resources = OperatorResources(
        store=FakeStore(failing={"get_details": error}),
        operations=None,  # type: ignore[arg-type]
        outbox=None,  # type: ignore[arg-type]
        queue=None,  # type: ignore[arg-type]
        sender=None,
    )
    app = create_app(Settings(), lambda: nullcontext(resources))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.get("/tickets/1")


@pytest.mark.parametrize("name", tree)
async def test_every_error_of_the_tree_is_a_problem(name: str, caplog: pytest.LogCaptureFixture) -> None:
    kind = tree[name]
    answer = await answer_to(kind(f"it is at {SECRET}", hint="look there"))
    told = answer.json()
    nearest = next(STATUSES[one] for one in kind.__mro__ if one in STATUSES)
    assert answer.status_code == told["status"] == nearest
    assert answer.headers["content-type"] == "application/problem+json"
    if answer.status_code < 500:
        assert (told["detail"], told["hint"]) == (f"it is at {SECRET}", "look there")
        assert not caplog.records
    else:
        assert SECRET not in answer.text
        assert told["detail"] == kind.__doc__
        (record,) = caplog.records
        assert SECRET in record.getMessage()
        assert record.exc_info is not None


@pytest.mark.parametrize("error", [RuntimeError(SECRET), KeyError(SECRET), RecursionError()])
async def test_a_bug_tells_nothing_of_the_inside(error: Exception) -> None:
    answer = await answer_to(error)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text
    assert "bug" in answer.json()["detail"]


async def test_what_has_no_answer_is_left_out() -> None:
    answer = await answer_to(errors.NotFoundError("gone"))
    told: dict[str, Any] = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "gone"}
    assert answer.json() == told
