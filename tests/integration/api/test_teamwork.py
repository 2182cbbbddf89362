"""The API's operations for people who share the work."""

import httpx
import pytest

from ticketctl.postgres.decisions import PostgresDecisions
from ticketctl.tickets.decisions import Decision, apply
from ticketctl.tickets.history import Actor, Operation

ADA = {"Ticketctl-User": "ada"}


@pytest.fixture
async def path(api: httpx.AsyncClient) -> str:
    response = await api.post("/tickets", json={"subject": "x"}, headers=ADA)
    assert response.json()["created_by"] == "person:ada"
    return str(response.headers["location"])


async def test_people_work_on_a_ticket_and_its_history_names_them(api: httpx.AsyncClient, path: str) -> None:
    assigned = await api.put(f"{path}/assignee", json={"assignee": "grace"}, headers=ADA)
    assert (assigned.status_code, assigned.json()["assignee"]) == (200, "grace")
    assert (await api.put(f"{path}/tags/vip")).json()["tags"] == ["vip"]
    assert (await api.put(f"{path}/tags/vip")).status_code == 200
    assert (await api.delete(f"{path}/tags/vip")).json()["tags"] == []
    assert (await api.post(f"{path}/notes", json={"text": "called back"})).status_code == 200
    assert (await api.post(f"{path}/close")).json()["status"] == "closed"
    assert (await api.post(f"{path}/reopen")).json()["status"] == "new"
    assert (await api.post(f"{path}/reopen")).status_code == 409
    assert (await api.post(f"{path}/undo", headers=ADA)).json()["status"] == "closed"
    changes = (await api.get(f"{path}/history")).json()["changes"]
    assert [(change["actor"], change["action"]) for change in changes] == [
        ("ada", "create"),
        ("ada", "assign"),
        *[("api", action) for action in ("tag", "untag", "note", "close", "reopen")],
        ("ada", "undo"),
    ]
    assert [note["text"] for note in (await api.get(path)).json()["notes"]] == ["called back"]
    listed = (await api.get("/tickets", params={"assignee": "grace"})).json()
    assert listed["total"] == 1


async def test_the_second_of_two_people_is_told(api: httpx.AsyncClient, path: str) -> None:
    seen = {"If-Match": (await api.get(path)).headers["etag"]}
    first = await api.put(f"{path}/assignee", json={"assignee": "grace"}, headers=seen)
    second = await api.put(f"{path}/assignee", json={"assignee": "ada"}, headers=seen)
    assert (first.status_code, second.status_code) == (200, 409)
    assert "changed by someone else meanwhile" in second.json()["detail"]


async def test_an_operation_on_several_tickets_is_undone_as_a_whole(
    api: httpx.AsyncClient, path: str, decisions: PostgresDecisions
) -> None:
    other = (await api.post("/tickets", json={"subject": "y"})).headers["location"]
    ids, operation = [int(one.rpartition("/")[2]) for one in (path, other)], Operation()
    await apply(decisions, Decision(action="close"), ids, by=Actor.person("grace"), operation=operation)
    assert (await api.post(f"{other}/reopen")).status_code == 200
    undone = await api.post(f"/operations/{operation.id}/undo", headers=ADA)
    assert undone.status_code == 200, undone.text
    assert undone.json()["actor"] == "grace"
    assert [(one["id"], one["outcome"]) for one in undone.json()["results"]] == [
        (ids[0], "undone"),
        (ids[1], "unchanged"),
    ]
    assert undone.json()["results"][1]["error"] == f"ticket {ids[1]} was changed since: reopen by person api"
    assert (await api.get(path)).json()["status"] == "new"
    last = (await api.get(f"{path}/history")).json()["changes"][-1]
    assert (last["actor"], last["action"], last["operation"]) == ("ada", "undo", undone.json()["operation"])
    assert (await api.post("/operations/123456789/undo")).status_code == 404


@pytest.mark.parametrize(
    ("method", "suffix", "json", "headers"),
    [
        ("PUT", "tags/two words", None, {}),
        ("PUT", "assignee", {"assignee": " "}, {}),
        ("POST", "notes", {"text": " "}, {}),
        ("POST", "close", None, {"If-Match": "yesterday"}),
        ("POST", "close", None, {"Ticketctl-User": "x" * 101}),
    ],
)
async def test_bad_input_changes_nothing(
    api: httpx.AsyncClient, path: str, method: str, suffix: str, json: object, headers: dict[str, str]
) -> None:
    response = await api.request(method, f"{path}/{suffix}", json=json, headers=headers)
    assert response.status_code == 422, response.text
    assert len((await api.get(f"{path}/history")).json()["changes"]) == 1


@pytest.mark.parametrize(
    ("suffix", "allowed"),
    [("assignee", "PUT"), ("undo", "POST"), ("tags/vip", "DELETE, PUT"), ("history", "GET")],
)
async def test_a_wrong_method_is_answered_with_the_right_ones(
    api: httpx.AsyncClient, path: str, suffix: str, allowed: str
) -> None:
    response = await api.request("OPTIONS", f"{path}/{suffix}")
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
