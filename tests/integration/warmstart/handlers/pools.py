"""A worker as many are written: SQLAlchemy on asyncpg, a batch of SQS records, failures logged and returned."""

import asyncio
import logging
import os
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

POOL = os.environ["POOL"]
OPTIONS: dict[str, dict[str, Any]] = {
    "null": {"poolclass": NullPool},
    "static": {"poolclass": StaticPool},
    "queue-pre-ping": {"pool_pre_ping": True},
    "queue-recycle": {"pool_recycle": 0},
}


def make() -> AsyncEngine:
    return create_async_engine(
        os.environ["DATABASE"],
        isolation_level="AUTOCOMMIT",
        connect_args={"server_settings": {"application_name": os.environ["APPLICATION"]}},
        **OPTIONS.get(POOL, {}),
    )


engine = make()
runner = asyncio.Runner() if os.environ["LOOP"] == "runner" else None


async def query() -> None:
    async with engine.connect() as connection:
        await connection.execute(text("select 1"))


async def work(records: list[dict[str, Any]]) -> list[str]:
    """One statement claims the batch, one more is done for each record, one connection at a time."""
    try:
        for _ in (None, *records):
            await query()
    except Exception:
        for record in records:
            logging.getLogger("pools").exception("failed", extra={"message_id": record["messageId"]})
        return [record["messageId"] for record in records]
    return []


async def batch(event: dict[str, Any]) -> dict[str, Any]:
    global engine  # noqa: PLW0603 two of the strategies put another in its place
    if POOL == "fresh-engine":
        engine = make()
    if POOL == "dispose-no-close":
        await engine.dispose(close=False)
    try:
        failed = await work(event["Records"])
    finally:
        if POOL == "dispose":
            await engine.dispose()
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return runner.run(batch(event)) if runner else asyncio.run(batch(event))
