from pathlib import Path

import pytest

from ticketctl.diagnostics.settings_checks import LAMBDA, check_settings
from ticketctl.settings import Settings

URL = "postgresql://me:secret@db.example.com/tickets"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/tickets"


def rules(environment=None, **chosen):
    return [one.rule for one in check_settings(Settings(**chosen), environment or {})]


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"pool": "queue-pre-ping", "loop": "runner"},
        {"pool": "dispose"},
        {"database_url": URL, "queue_url": QUEUE},
        {"database_url": URL, "queue_url": QUEUE, "pool": "queue-pre-ping", "loop": "runner"},
        {"database_url": "postgresql://me@db.example.com:6432/tickets", "pool": "rds-proxy"},
    ],
)
def test_safe_settings_have_no_findings(chosen):
    assert rules(**chosen) == []


@pytest.mark.parametrize(
    ("chosen", "rule"),
    [
        ({"pool": "queue"}, "pool-outlives-loop"),
        ({"pool": "queue-pre-ping", "loop": "run-per-record"}, "pool-outlives-loop"),
        ({"queue_url": QUEUE}, "no-database-on-lambda"),
        (
            {"database_url": URL, "queue_url": QUEUE, "pool": "queue", "loop": "runner"},
            "pool-does-not-survive-a-freeze",
        ),
        (
            {"database_url": "postgresql://me@db.example.com:6432/tickets"},
            "prepared-statements-behind-a-pooler",
        ),
        (
            {"database_url": "postgresql://x.proxy-abc.us-east-1.rds.amazonaws.com/tickets"},
            "prepared-statements-behind-a-pooler",
        ),
    ],
)
def test_unsafe_settings_have_one_finding(chosen, rule):
    (one,) = check_settings(Settings(**chosen), {})
    assert one.rule == rule
    assert "secret" not in one.cause + one.fix


def test_a_database_url_is_required_on_lambda():
    assert rules({LAMBDA: "worker"}) == ["no-database-on-lambda"]


def test_findings_name_the_line_or_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("ticketctl.toml").write_text('loop = "run-per-invocation"\npool = "queue"\n')
    assert [one.place for one in check_settings(Settings(pool="queue"), {})] == ["ticketctl.toml:2"]
    environment = {"TICKETCTL_POOL": "queue"}
    assert [one.place for one in check_settings(Settings(pool="queue"), environment)] == ["TICKETCTL_POOL"]
