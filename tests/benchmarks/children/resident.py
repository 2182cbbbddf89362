"""Prints the resident memory of this process, in bytes, after it has done what its argument says.

`imports` imports what every program with SQLAlchemy and asyncpg needs; `worker` imports the worker and processes each
event of the JSON list on stdin.
"""

import importlib
import json
import os
import sys
from pathlib import Path

if sys.argv[1] == "worker":
    from ticketctl.worker import handler

    for event in json.load(sys.stdin):
        if handler(event, None)["batchItemFailures"]:
            sys.exit("a record failed")
else:
    for name in ("sqlalchemy.ext.asyncio", "asyncpg"):
        importlib.import_module(name)
pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
sys.stdout.write(f"{pages * os.sysconf('SC_PAGE_SIZE')}\n")
