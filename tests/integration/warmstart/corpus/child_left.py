"""Starts a program each time and leaves it running. Measured: ok five times, and two pipes more each time."""

import subprocess
import sys

kept = []


def handler(_event, _context):
    command = [sys.executable, "-c", "input()"]
    kept.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))  # cause
