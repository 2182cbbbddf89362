import json

import pytest

from ticketctl.diagnostics import execution_models
from ticketctl.diagnostics.execution_models import EXECUTION_MODELS, request_event
from ticketctl.errors import ConfigError
from ticketctl.event_loops import LOOPS


def test_the_worker_has_one_model_for_each_loop_policy() -> None:
    assert [name for name, model in EXECUTION_MODELS.items() if model.takes_records] == list(LOOPS)


@pytest.mark.parametrize(("name", "missing"), [("server", "uvicorn"), ("mangum", "mangum")])
def test_a_missing_extra_is_named(monkeypatch, name, missing) -> None:
    found = execution_models.find_spec
    monkeypatch.setattr(execution_models, "find_spec", lambda one: None if one == missing else found(one))
    with pytest.raises(ConfigError, match=f"needs {missing}, which is not installed") as raised:
        execution_models.require_extra(name)
    assert raised.value.hint == "pip install 'ticketctl[api]'"


def test_the_worker_needs_no_extra(monkeypatch) -> None:
    monkeypatch.setattr(execution_models, "find_spec", lambda _: None)
    for name in LOOPS:
        execution_models.require_extra(name)


def test_a_request_event_has_payload_format_2() -> None:
    event = request_event("POST", "/tickets", {"subject": "Fire"})
    assert (event["version"], event["rawPath"]) == ("2.0", "/tickets")
    assert event["requestContext"]["http"]["method"] == "POST"
    assert json.loads(event["body"]) == {"subject": "Fire"}
