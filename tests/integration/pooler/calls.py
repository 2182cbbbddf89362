"""One of several processes that call a database at once: lines of JSON on stdin say how, lines on stdout what came.

Each of many tasks has an engine of its own, as an execution environment has, and asks different questions, each
twice, so that a statement that was mixed up with another one shows as a wrong answer.
"""

import asyncio
import json
import sys
from collections import Counter
from functools import partial
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from ticketctl import event_loops
from ticketctl.postgres.address import Address
from ticketctl.postgres.engine import make_engine
from ticketctl.postgres.pools import POOLS
from ticketctl.settings import Settings

TASKS = 16
QUESTIONS = 3


def engine_of(url: str, pool: str, *, autocommit: bool) -> AsyncEngine:
    if pool != "unique-names":
        return make_engine(Address.parse(url), Settings(), POOLS[pool], autocommit=autocommit)
    # SQLAlchemy's documented configuration for PgBouncer
    return create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://"),
        poolclass=NullPool,
        connect_args={"prepared_statement_name_func": lambda: f"__asyncpg_{uuid4()}__"},
        **({"isolation_level": "AUTOCOMMIT"} if autocommit else {}),
    )


async def ask(engine: AsyncEngine, question: int, number: int) -> str:
    """Return "ok", "wrong", or the database's error."""
    statement = text(f"select cast(:number as bigint) * {question}, to_jsonb(array[gen_random_uuid()])")
    try:
        async with engine.begin() as connection:
            for _ in range(2):
                product, json_value = (await connection.execute(statement, {"number": number})).one()
                if product != question * number or len(json_value) != 1:
                    return "wrong"
    except Exception as error:  # noqa: BLE001 - every outcome is counted
        cause = getattr(error, "orig", error)
        return str(cause.__cause__ or cause)
    return "ok"


async def work(seed: int, make: "partial[AsyncEngine]") -> Counter[str]:
    outcomes: Counter[str] = Counter()

    async def environment(task: int) -> None:
        engine = make()
        for question in range(QUESTIONS):
            outcomes[await ask(engine, seed + question, task)] += 1
        await engine.dispose()

    await asyncio.gather(*(environment(task) for task in range(TASKS)))
    return outcomes


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        made = partial(engine_of, asked["url"], asked["pool"], autocommit=asked["autocommit"])
        sys.stdout.write(json.dumps(event_loops.run(work(asked["seed"], made))) + "\n")
        sys.stdout.flush()
