"""A cold execution environment: imports the worker and processes the event on stdin, once."""

import json
import sys

from ticketctl.worker import handler

answer = handler(json.load(sys.stdin), None)
if answer["batchItemFailures"]:
    sys.exit("the record failed")
