"""An environment under AWS's runtime client, as the laboratory sees any process: it is asked, and answers."""

import signal
from typing import TypeAlias

from ticketctl.warmstart.child.ipc import Message
from ticketctl.warmstart.runner.process import LaboratoryError, Process
from ticketctl.warmstart.runner.runtime_api import Answer, RuntimeApi


class RicProcess:
    """A process whose handler is called by awslambdaric, with the Runtime API that feeds it."""

    def __init__(self, process: Process, api: RuntimeApi) -> None:
        self._process = process
        self._api = api

    async def ask(self, order: Message, seconds: float) -> Message | None:
        """As a process's. What the handler returned or raised is what awslambdaric posted.

        Raises LaboratoryError where the interpreter has no awslambdaric.
        """
        if order["do"] == "start":
            return await self._start(order, seconds)
        answered = self._api.give(order.get("event"), seconds)
        answer = await self._process.ask({**order, "event": None}, seconds)
        if answer is None or order["do"] != "invoke":
            return answer
        if answer["error"] and answer["error"]["fatal"]:
            return await self._last(answer)
        # awslambdaric asks for the next event when it has posted the answer to this one, if that does not end it
        self._api.give(None, seconds)
        seen = await self._process.ask({"do": "observe", "look": order["look"]}, seconds)
        return seen and {**seen, **_told(answer, answered.result())}

    async def _start(self, order: Message, seconds: float) -> Message | None:
        answer = await self._process.ask(order, seconds)
        if answer and "missing" in answer:
            raise LaboratoryError(f"{answer['missing']} is not installed for {answer['python']}")
        return answer

    async def _last(self, answer: Message) -> Message:
        """What leaves awslambdaric ends the process: nothing can be looked at any more."""
        await self.end()
        nothing: Message = {
            "logged": [],
            "heard": [],
            "zombies": [],
            "counts": {},
            "holders": {},
            "moment": None,
        }
        return {**nothing, **answer, "response": None}

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.signal(number)

    async def end(self) -> int:
        """End the process: without an API its client gives up at once."""
        await self._api.close()
        return await self._process.end()

    def tail(self) -> str:
        """Return the end of what the process wrote."""
        return self._process.tail()

    def close(self) -> None:
        """Forget the output."""
        self._process.close()


EnvironmentProcess: TypeAlias = Process | RicProcess
"""A process under examination, however its handler is called."""


def _told(answer: Message, posted: Answer) -> Message:
    """The invocation in the words that awslambdaric posted, with what only the inside knows: where it was raised."""
    error = None
    if posted.error is not None:
        inside = answer["error"] or {"where": None, "chain": []}
        text = posted.error["errorMessage"]
        error = {**inside, "error_type": posted.error["errorType"], "error": text}
        if inside.get("error", "").startswith(text):
            error["error"] = inside["error"]  # of a group, with what is in it
    return {"duration_ms": answer["duration_ms"], "response": posted.response, "error": error}
