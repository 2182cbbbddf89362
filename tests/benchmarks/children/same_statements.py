"""A script that uses SQLAlchemy's asyncio part and asyncpg: sends the statements on stdin, and prints their rows.

`same_statements.py URL` reads a pickled list of (SQL, parameters).
"""

import asyncio
import pickle
import sys
from typing import Any

import asyncpg  # noqa: F401 - the driver is part of what is measured
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def main(url: str, statements: list[tuple[str, tuple[Any, ...]]]) -> None:
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for sql, parameters in statements:
            result = await connection.exec_driver_sql(sql, parameters)
            for row in result:
                sys.stdout.write("\t".join(map(str, row)) + "\n")
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], pickle.loads(sys.stdin.buffer.read())))  # noqa: S301 - the benchmark's own pickle
