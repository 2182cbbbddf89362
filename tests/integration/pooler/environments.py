"""Many execution environments in one process: each a worker of its own, in a thread and event loops of its own.

Stdin: JSON with `settings`, and `events`, a list for each environment. Prints as JSON what records failed with.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from ticketctl.settings import Settings
from ticketctl.worker import Worker


def invoked(worker: Worker, events: list[Any], start: Barrier) -> list[str]:
    start.wait()
    results = [result for event in events for result in worker.invoke(event, None)]
    return [str(result.error) for result in results if result.error is not None]


def main() -> None:
    asked = json.load(sys.stdin)
    settings = Settings(**asked["settings"])
    # import and load once per process, before the threads start
    Worker(settings).invoke(asked["first"], None)
    workers = [Worker(settings) for _ in asked["events"]]
    start = Barrier(len(workers))
    with ThreadPoolExecutor(len(workers)) as threads:
        running = [
            threads.submit(invoked, worker, events, start)
            for worker, events in zip(workers, asked["events"], strict=True)
        ]
        errors = [error for one in running for error in one.result()]
    sys.stdout.write(json.dumps(errors))


if __name__ == "__main__":
    main()
