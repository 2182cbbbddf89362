"""The migration as a deployment asks for it: CloudFormation gets an answer, whatever happens."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import URLError

import pytest

from ticketctl.deployment import migration_handler
from ticketctl.postgres.embedded import EmbeddedServer
from ticketctl.postgres.revision import REVISION

REQUEST = {
    "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/ticketctl/1",
    "RequestId": "a request",
    "LogicalResourceId": "Migration",
    "ResourceType": "Custom::Migration",
}
TABLES = "select count(*) from information_schema.tables where table_name = 'tickets'"
LOCK = "begin; select pg_advisory_xact_lock(x'7469636B'::int) \\g /dev/null\n\\echo held\n"
"""What another upgrade holds while it is at it."""


class Context:
    """Lambda's, as far as the migration asks."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._seconds + migration_handler.GRACE_PERIOD) * 1000)


class Bucket:
    """Where CloudFormation waits for the answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[bytes] = []
        self.types: list[str | None] = []

    @property
    def answer(self) -> dict:
        [body] = self.bodies
        assert len(body) <= 4096
        return json.loads(body)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    class Answering(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            made.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            made.types.append(self.headers["Content-Type"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        made = Bucket(f"http://127.0.0.1:{server.server_port}/bucket?X-Amz-Signature=a%2Fb")
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield made
        server.shutdown()
        serving.join()


@pytest.fixture
def ask(bucket, monkeypatch, empty_database_url):
    """Send a request as CloudFormation does; answers what it was told."""
    monkeypatch.setenv("TICKETCTL_DATABASE_URL", empty_database_url)

    def asked(kind, seconds=60.0, **more):
        bucket.bodies.clear()
        migration_handler.handler(
            REQUEST | {"RequestType": kind, "ResponseURL": bucket.url} | more, Context(seconds)
        )
        return bucket.answer

    return asked


def test_a_deployment_makes_the_tables_once(ask, sql, empty_database_url, bucket):
    made = ask("Create")
    assert made == {name: REQUEST[name] for name in ("StackId", "RequestId", "LogicalResourceId")} | {
        "Status": "SUCCESS",
        "PhysicalResourceId": "ticketctl-tables",
        "Data": {"Revision": REVISION},
    }
    assert bucket.types == [""]  # the address was signed for no type
    assert sql(TABLES, empty_database_url) == "1"
    again = ask("Update", PhysicalResourceId="as it was called")
    assert again["Status"] == "SUCCESS"
    assert again["PhysicalResourceId"] == "as it was called"


def test_tickets_outlive_the_stack(ask, sql, empty_database_url):
    ask("Create")
    sql("insert into tickets (subject) values ('Fire')", empty_database_url)
    assert ask("Delete", PhysicalResourceId="ticketctl-tables")["Status"] == "SUCCESS"
    assert sql("select count(*) from tickets", empty_database_url) == "1"


def test_a_stack_whose_database_is_gone_can_be_deleted(ask, monkeypatch):
    monkeypatch.setenv("TICKETCTL_DATABASE_URL", "postgresql://127.0.0.1:1/gone")
    assert ask("Delete")["Status"] == "SUCCESS"


def test_a_database_that_is_away_is_told_without_its_password(ask, monkeypatch):
    monkeypatch.setenv("TICKETCTL_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/gone")
    failed = ask("Create")
    assert failed["Status"] == "FAILED"
    assert "127.0.0.1:1/gone" in failed["Reason"]
    assert "hunter2" not in str(failed)
    assert failed["PhysicalResourceId"] == "ticketctl-tables"


@pytest.mark.parametrize("variable", ["TICKETCTL_DATABASE_URL", "TICKETCTL_CONNECT_TIMEOUT"])
def test_settings_that_are_wrong_are_told(ask, monkeypatch, variable):
    monkeypatch.setenv(variable, "nonsense")
    failed = ask("Create")
    assert failed["Status"] == "FAILED"
    assert failed["Reason"]


def test_a_bug_is_answered_too(ask, monkeypatch, caplog):
    async def broken(_: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("ticketctl.runtime.upgrade", broken)
    failed = ask("Create")
    assert failed["Status"] == "FAILED"
    assert failed["Reason"].startswith("ZeroDivisionError")
    assert "a secret" not in failed["Reason"]
    assert "a secret" in caplog.text


def test_a_migration_that_hangs_is_answered_in_time(ask, sql, empty_database_url, server_home):
    psql = [str(EmbeddedServer(server_home).psql), "--no-psqlrc", "--quiet", empty_database_url]
    with subprocess.Popen(psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write(LOCK)
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        failed = ask("Create", seconds=1.0)
        holder.kill()
    assert failed["Status"] == "FAILED"
    assert "within 1 s" in failed["Reason"]
    assert sql(TABLES, empty_database_url) == "0"


def test_tables_that_are_newer_block_no_rollback(ask, sql, empty_database_url):
    ask("Create")
    sql("update alembic_version set version_num = '9999'", empty_database_url)
    assert ask("Update")["Status"] == "SUCCESS"
    assert sql("select version_num from alembic_version", empty_database_url) == "9999"
    assert ask("Create")["Status"] == "FAILED"


def test_an_answer_that_cannot_be_put_is_an_error_so_that_lambda_calls_again(ask):
    with pytest.raises(URLError):
        ask("Create", ResponseURL="http://127.0.0.1:1/nobody")
