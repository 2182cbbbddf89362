"""Warm execution environments, each in a process of its own: a program that tests run, and its other end.

A poisoned pool leaves objects of dead loops behind, whose finalisers warn; they must not do so in pytest's own
process. The program imports the worker once and forks for each environment, so that each starts equally cold.
"""

import gc
import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class Environments:
    """The tests' end: makes environments one after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin
        assert process.stdout
        self._asks, self._answers = process.stdin, process.stdout

    @contextmanager
    def warm(self, events: list[Any], **chosen: Any) -> Iterator[dict[str, Any]]:
        """Let one environment handle the events, and keep it alive for the context; answers what it saw.

        `chosen` are settings, and: `collect=False` switches the garbage collector off, `renamed` maps names of
        pools to those of the strategies that shall hide behind them.
        """
        self._asks.write(json.dumps({"events": events} | chosen) + "\n")
        self._asks.flush()
        answer = self._answers.readline()
        assert answer, "the environment died"
        yield json.loads(answer)
        self._asks.write("\n")
        self._asks.flush()
        assert self._answers.readline() == "gone\n"


@contextmanager
def environments() -> Iterator[Environments]:
    """Start the program."""
    command = [sys.executable, "-W", "ignore", __file__]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield Environments(process)


class Notes(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.lines.append(
            {
                "level": record.levelname,
                "logger": record.name,
                "text": record.getMessage(),
                "message_id": getattr(record, "message_id", None),
                "error_type": None if error is None else type(error).__name__,
            }
        )


def sockets() -> int:
    """How many of this process's descriptors are sockets."""
    found = 0
    for descriptor in range(1024):
        try:
            found += stat.S_ISSOCK(os.fstat(descriptor).st_mode)
        except OSError:
            continue
    return found


def live(
    events: list[Any], *, collect: bool = True, renamed: dict[str, str] | None = None, **chosen: Any
) -> tuple[dict[str, Any], object]:
    """Be one execution environment; answer what happened in it, and what it still holds."""
    from ticketctl.postgres import pools
    from ticketctl.settings import Settings
    from ticketctl.worker import Worker

    if renamed is not None:
        pools.POOLS = {name: replace(pools.POOLS[hidden], name=name) for name, hidden in renamed.items()}
    if not collect:
        gc.disable()
    notes = Notes()
    logging.getLogger("ticketctl").addHandler(notes)
    before = sockets()
    worker = Worker(Settings(**chosen))
    invocations = [
        [
            {
                "message_id": result.message.message_id,
                "error_type": None if result.error is None else type(result.error).__name__,
                "error": None if result.error is None else str(result.error),
            }
            for result in worker.invoke(event, None)
        ]
        for event in events
    ]
    return {"invocations": invocations, "logs": notes.lines, "sockets": sockets() - before}, worker


def main() -> None:
    """Read a line for each environment, fork it, and let it live until the next line comes."""
    import ticketctl.worker  # noqa: F401 - imported once for all

    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            answer, held = live(**asked)  # what it holds lives until the process ends
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
            os.read(0, 1)
            del held
            os._exit(0)
        os.waitpid(child, 0)
        sys.stdout.write("gone\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
