"""Any handler of the corpus, on uvloop: the policy is set before it is imported."""

import asyncio
import importlib
import os
import sys
import warnings

import uvloop

with warnings.catch_warnings(
    action="ignore"
):  # policies are deprecated from 3.14 on, and still the way for all
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

sys.path.insert(0, os.environ["CORPUS"])
handler = importlib.import_module(os.environ["HANDLER"]).handler
