"""Send what was recorded when the execution environment ends."""

import os
import signal
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from ticketctl.telemetry.protocols import Telemetry

_SECONDS = 0.3
"""Lambda kills the process 0.5 s after SIGTERM, if its extensions are in the process."""


def flush_at_sigterm(telemetry: "Telemetry") -> None:
    """Send the last metrics when the process gets SIGTERM, then let it end. Nothing else handles SIGTERM yet.

    `ticketctl work` sends SIGTERM to its workers, and Lambda to functions that have an extension, such as a collector:
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown.
    """
    is_free = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not telemetry.is_on or not is_free or current_thread() is not main_thread():
        return

    def end(number: int, _: "FrameType | None") -> None:
        # in a thread, because this one may hold a lock of the telemetry
        last = Thread(target=telemetry.flush, args=(_SECONDS,), kwargs={"is_last": True}, daemon=True)
        last.start()
        last.join(_SECONDS)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
