"""Drains the queue with the worker's statements through bare asyncpg: `raw_drain.py URL PROCESSES`, a plan on stdin.

Each process holds one warm connection. Nothing of ticketctl is imported, and nothing is classified: the results are
those that the worker wrote for the recorded ticket. `tests.benchmarks.raw_limit` records the plan.
"""

import asyncio
import json
import multiprocessing
import pickle
import sys
from typing import Any
from uuid import UUID, uuid4

import asyncpg

ROWS = "rows"
"""Marks a parameter that is a JSON list with a row for each message of the batch: (ROWS, the recorded row)."""


def drain(url: str, plan: dict[str, Any]) -> None:
    """Drain the queue in one process."""
    asyncio.run(send_all(url, plan))


async def send_all(url: str, plan: dict[str, Any]) -> None:
    """Receive, claim, finish and delete batches until nothing is received."""
    connection = await asyncpg.connect(url)
    receive, received = plan["receive"]
    while deliveries := await connection.fetch(receive, *received):
        token = uuid4()
        rows = [
            {
                **delivery,
                "message_id": str(delivery["message_id"]),
                "ticket_id": json.loads(delivery["body"])["ticket_id"],
                "token": str(token),
            }
            for delivery in deliveries
        ]
        for sql, parameters in plan["settle"]:
            await connection.execute(sql, *(renewed(value, rows, token) for value in parameters))
    await connection.close()


def renewed(value: Any, rows: list[dict[str, Any]], token: UUID) -> Any:
    """Return a recorded parameter for this batch."""
    if isinstance(value, UUID):
        return token
    if not isinstance(value, tuple):
        return value
    _, recorded = value
    return json.dumps([{name: row.get(name, old) for name, old in recorded.items()} for row in rows])


if __name__ == "__main__":
    plan = pickle.load(sys.stdin.buffer)  # noqa: S301 - the benchmark wrote it
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=drain, args=(sys.argv[1], plan)) for _ in range(int(sys.argv[2]))]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(max(process.exitcode or 0 for process in processes))
