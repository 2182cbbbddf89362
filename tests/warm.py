"""Warm execution environments, each in its own process: the program that tests start, and the tests' end of it.

An unsafe pool leaves objects of closed loops behind whose finalisers warn; that must not happen in pytest's process.
The program imports the worker once and forks for each environment, so that all of them start equally cold.
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
    """The tests' end: starts environments one after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin
        assert process.stdout
        self._asks, self._answers = process.stdin, process.stdout

    @contextmanager
    def warm(self, events: list[Any], **chosen: Any) -> Iterator[dict[str, Any]]:
        """Process the events in one environment and yield its report; the environment lives as long as the context.

        `chosen` are settings. `collect=False` disables the garbage collector. `renamed` maps pool names to the
        strategies that replace them.
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


class LogCollector(logging.Handler):
    """Collects log records."""

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


def count_sockets() -> int:
    """Return how many file descriptors of this process are sockets."""
    found = 0
    for descriptor in range(1024):
        try:
            found += stat.S_ISSOCK(os.fstat(descriptor).st_mode)
        except OSError:
            continue
    return found


def run_environment(
    events: list[Any], *, collect: bool = True, renamed: dict[str, str] | None = None, **chosen: Any
) -> tuple[dict[str, Any], object]:
    """Run one execution environment. Return its report, and the worker, which must stay alive."""
    from ticketctl.postgres import pools
    from ticketctl.settings import Settings
    from ticketctl.worker import Worker

    if renamed is not None:
        pools.POOLS = {name: replace(pools.POOLS[hidden], name=name) for name, hidden in renamed.items()}
    if not collect:
        gc.disable()
    collector = LogCollector()
    logging.getLogger("ticketctl").addHandler(collector)
    before = count_sockets()
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
    return {"invocations": invocations, "logs": collector.lines, "sockets": count_sockets() - before}, worker


def main() -> None:
    """For each line on stdin fork an environment, which lives until the next line."""
    import ticketctl.worker  # noqa: F401 - imported once for all

    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            answer, held = run_environment(**asked)  # what it holds lives until the process ends
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
