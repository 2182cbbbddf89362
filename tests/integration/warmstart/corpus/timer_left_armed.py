"""Sets an alarm and does not cancel it. Measured: after two seconds between calls, it interrupts the next one."""

import signal
import time


def interrupt(_number, _frame):
    raise TimeoutError("the time is over")


def handler(_event, _context):
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 2.0)  # cause
    time.sleep(0.01)
