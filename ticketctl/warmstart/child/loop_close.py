"""Which line of the user's code closes an event loop by a call of `loop.close()`."""

import os
import sys
from typing import Any

from .user_code import UserCode

ASYNCIO = f"{os.sep}asyncio{os.sep}"


class LoopCloseRecorder:
    """Wraps asyncio's BaseEventLoop.close. `line` is the user's last line that called it, directly."""

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        self.line: str | None = None
        self._is_installed = False

    def install(self) -> None:
        """Wrap the method, if the user's code has imported asyncio."""
        module: Any = sys.modules.get("asyncio.base_events")
        if module is None or self._is_installed:
            return
        self._is_installed = True
        original = module.BaseEventLoop.close

        def close(loop: Any) -> None:
            frame = sys._getframe(1)  # noqa: SLF001 the only way to the caller's frame
            # the methods of subclasses call this one; asyncio.Runner closes its own loop
            while (
                frame.f_back is not None
                and frame.f_code.co_name == "close"
                and ASYNCIO in frame.f_code.co_filename
            ):
                if frame.f_code.co_filename.endswith("runners.py"):
                    break
                frame = frame.f_back
            if name := self._user_code.name(frame.f_code.co_filename):
                self.line = f"{name}:{frame.f_lineno}"
            original(loop)

        module.BaseEventLoop.close = close
