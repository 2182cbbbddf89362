"""The API's operations for reviewers."""

from collections.abc import Callable

import httpx
import pytest

ADA = {"Ticketctl-User": "ada"}


@pytest.fixture
async def path(api: httpx.AsyncClient, ask: Callable[[str], str]) -> str:
    location = (await api.post("/tickets", json={"subject": "x"})).headers["location"]
    ask("update tickets set status = 'needs_review', category = 'bug', confidence = 0.4, draft = 'Dear Ada'")
    return str(location)


async def test_fields_set_over_the_api_are_a_persons(api: httpx.AsyncClient, path: str) -> None:
    done = await api.patch(path, json={"category": "refund", "draft": "Hello"}, headers=ADA)
    assert done.status_code == 200
    ticket = done.json()
    assert (ticket["category"], ticket["draft"]) == ("refund", "Hello")
    assert ticket["set_by_human"] == ["category", "draft"]
    assert (await api.post(f"{path}/approve", headers=ADA)).json()["status"] == "processed"
    changes = (await api.get(f"{path}/history")).json()["changes"]
    assert [(change["actor"], change["action"]) for change in changes][1:] == [
        ("ada", "set"),
        ("ada", "approve"),
    ]


async def test_a_rejected_draft_is_deleted_with_the_reason(api: httpx.AsyncClient, path: str) -> None:
    ticket = (await api.post(f"{path}/reject", json={"reason": "wrong tone"}, headers=ADA)).json()
    assert (ticket["status"], ticket["draft"]) == ("processed", None)
    assert (await api.get(f"{path}/history")).json()["changes"][-1]["note"] == "wrong tone"


async def test_a_reply_is_drafted_again_for_the_corrected_category(
    api: httpx.AsyncClient, path: str, ask: Callable[[str], str]
) -> None:
    assert (await api.post(f"{path}/draft")).status_code == 422  # the pipeline has not analysed it
    ask(
        "insert into steps (ticket_id, step, output, provider, model, prompt_hash) select id, step, output::jsonb, 'x', 'x', 'x' "
        """from tickets, (values ('extract', '{"entities": []}'), ('classify', '{"category": "bug", "priority": "normal",
        "sentiment": "neutral", "language": "en", "confidence": 0.4, "method": "model"}')) as saved(step, output)"""
    )
    assert (await api.patch(path, json={"category": "refund"})).status_code == 200
    seen = {"If-Match": (await api.get(path)).headers["etag"]}
    ticket = (await api.post(f"{path}/draft", headers=ADA | seen)).json()
    assert ticket["draft"] not in {None, "Dear Ada"}
    assert ticket["status"] == "needs_review"
    change = (await api.get(f"{path}/history")).json()["changes"][-1]
    assert (change["actor"], change["action"], change["old"]) == ("ada", "redraft", {"draft": "Dear Ada"})
    assert (await api.post(f"{path}/draft")).json()["draft"] == ticket["draft"]  # nothing is left to change
    assert (await api.post(f"{path}/undo")).json()["draft"] == "Dear Ada"
    assert (await api.post(f"{path}/draft", headers=seen)).status_code == 409
    assert (await api.patch(path, json={"draft": "Hello"})).status_code == 200
    refused = await api.post(f"{path}/draft")
    assert (refused.status_code, "a person decided on the draft" in refused.text) == (409, True)


async def test_a_decision_on_an_old_state_is_refused(api: httpx.AsyncClient, path: str) -> None:
    seen = {"If-Match": (await api.get(path)).headers["etag"]}
    assert (await api.patch(path, json={"team": "sales"}, headers=seen)).status_code == 200
    for method, suffix, body in (
        ("PATCH", "", {"team": "billing"}),
        ("POST", "/approve", None),
        ("POST", "/reject", {}),
    ):
        response = await api.request(method, path + suffix, json=body, headers=seen)
        assert (response.status_code, "changed by someone else" in response.text) == (409, True)


@pytest.mark.parametrize(
    "body", [{}, {"category": "nonsense"}, {"status": "closed"}, {"draft": " "}, {"language": "English"}, []]
)
async def test_bad_fields_change_nothing(api: httpx.AsyncClient, path: str, body: object) -> None:
    response = await api.patch(path, json=body)
    assert response.status_code == 422, response.text
    assert len((await api.get(f"{path}/history")).json()["changes"]) == 1


async def test_a_new_ticket_has_nothing_to_review(api: httpx.AsyncClient) -> None:
    new = (await api.post("/tickets", json={"subject": "x"})).headers["location"]
    response = await api.post(f"{new}/approve")
    assert (response.status_code, "nothing to review" in response.text) == (422, True)
