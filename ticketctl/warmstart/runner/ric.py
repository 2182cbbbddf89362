"""An environment under AWS's runtime interface client (RIC), with the same interface as a plain child process."""

import signal
from typing import Any, TypeAlias

from ticketctl.warmstart.child import ipc
from ticketctl.warmstart.child.ipc import ErrorInfo, InvocationAnswer, Message
from ticketctl.warmstart.runner.process import ChildProcess, LaboratoryError
from ticketctl.warmstart.runner.runtime_api import PostedResult, RuntimeApi


class RicProcess:
    """A process whose handler is called by awslambdaric, with the Runtime API that serves it."""

    def __init__(self, process: ChildProcess, api: RuntimeApi) -> None:
        self._process = process
        self._api = api

    async def ask_patiently(self, request: Message, timeout: float) -> Any:  # noqa: ASYNC109 as a plain process
        """As ChildProcess.ask_patiently. The handler's response or exception is what awslambdaric posted.

        Raises LaboratoryError where the interpreter has no awslambdaric.
        """
        if request["command"] == "start":
            return await self._start(request, timeout)
        posted = self._api.offer(request.get("event"), timeout)
        answer = await self._process.ask_patiently({**request, "event": None}, timeout)
        if answer is None or request["command"] != "invoke":
            return answer
        if answer["error"] and answer["error"]["fatal"]:
            return await self._end_after(answer)
        # awslambdaric asks for the next event once it has posted the result of this one, unless that ends it
        self._api.offer(None, timeout)
        observe = {"command": "observe", "observe": request["observe"]}
        observation = await self._process.ask_patiently(observe, timeout)
        return observation and {**observation, **_result(answer, posted.result())}

    async def _start(self, request: Message, timeout: float) -> Any:  # noqa: ASYNC109 as `ask`
        answer = await self._process.ask_patiently(request, timeout)
        if answer and "missing" in answer:
            raise LaboratoryError(f"{answer['missing']} is not installed for {answer['python']}")
        return answer

    async def _end_after(self, answer: Message) -> InvocationAnswer:
        """Return the result of an invocation that ends awslambdaric: nothing can be observed after it."""
        await self.end()
        return {
            **ipc.no_observation(),
            "duration_ms": answer["duration_ms"],
            "response": None,
            "error": answer["error"],
            "meter": None,
            "forked_at": answer["forked_at"],
        }

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.signal(number)

    async def end(self) -> int:
        """End the process: without its API, awslambdaric gives up at once."""
        await self._api.close()
        return await self._process.end()

    def tail(self) -> str:
        """Return the end of what the process wrote."""
        return self._process.tail()

    def close(self) -> None:
        """Discard the captured output."""
        self._process.close()


EnvironmentProcess: TypeAlias = ChildProcess | RicProcess
"""The process of an environment, under either runtime."""


def _result(answer: Message, posted: PostedResult) -> Message:
    """Return the result as awslambdaric posted it; the line and the exception chain come from inside the process."""
    error: ErrorInfo | None = None
    if posted.error is not None:
        text = posted.error["errorMessage"]
        inside = answer["error"] or {"raised_at": None, "chain": [], "error": text}
        error = {
            "error_type": posted.error["errorType"],
            # the text of an exception group from inside also lists what is in the group
            "error": inside["error"] if inside["error"].startswith(text) else text,
            "raised_at": inside["raised_at"],
            "chain": inside["chain"],
        }
    return {
        "duration_ms": answer["duration_ms"],
        "response": posted.response,
        "error": error,
        "meter": None,
        "forked_at": answer["forked_at"],
    }
