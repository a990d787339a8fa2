"""A shell as the family has it: it reports its start before the first prompt,
and its end as the interpreter exits."""

import asyncio
import atexit
import threading

from .session_tracker import SessionEventEmitter


class AdminShell:
    def __init__(self):
        self.session_tracker = None
        self.session_id = None

    def start(self):
        asyncio.run(self._notify_session_start())
        atexit.register(self._sync_session_end)
        print("session:", self.session_id, flush=True)
        input()

    async def _notify_session_start(self):
        self.session_tracker = SessionEventEmitter(self._get_component_name())
        self.session_id = await self.session_tracker.emit_session_start(
            shell_type=type(self).__name__,
            metadata={
                "component_version": self._get_component_version(),
                "adapters": self._get_adapters_info(),
            },
        )

    async def _notify_session_end(self):
        if self.session_id:
            await self.session_tracker.emit_session_end(
                self.session_id, metadata={"duration_seconds": None}
            )

    def _sync_session_end(self):
        # Nobody waits for this thread: it ends with the interpreter.
        end = lambda: asyncio.run(self._notify_session_end())
        threading.Thread(target=end, daemon=True).start()
