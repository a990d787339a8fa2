"""An emitter as the Mahavishnu and Oneiric shells have it: the same calls, with
the same arguments, on a connection that somebody else has to bring."""

import logging
import os
import platform
import uuid
from datetime import datetime, timezone

log = logging.getLogger(__name__)


class SessionEventEmitter:
    def __init__(self, component_name):
        self.component_name = component_name

    async def _get_session(self):
        raise ConnectionError("no connection is opened")

    async def emit_session_start(self, shell_type, metadata=None):
        """The session's id, or None when it was not recorded."""
        event = {
            "event_version": "1.0",
            "event_id": str(uuid.uuid4()),
            "event_type": "session_start",
            "component_name": self.component_name,
            "shell_type": shell_type,
            "timestamp": now(),
            "pid": os.getpid(),
            "user": {
                "username": os.environ.get("USER", "unknown"),
                "home": os.path.expanduser("~"),
            },
            "hostname": platform.node(),
            "environment": {
                "python_version": platform.python_version(),
                "platform": platform.platform(),
                "cwd": os.getcwd(),
            },
            "metadata": metadata,
        }
        result = await self.called("track_session_start", event)
        # Only a list is understood, and its first text is taken for the id.
        return result[0].text if isinstance(result, list) and result else None

    async def emit_session_end(self, session_id, metadata=None):
        """Whether it was recorded."""
        event = {
            "event_type": "session_end",
            "session_id": session_id,
            "timestamp": now(),
            "metadata": metadata,
        }
        return await self.called("track_session_end", event) is not None

    async def called(self, tool, arguments):
        """A shell goes on whatever happens: the trouble is in its log alone."""
        try:
            session = await self._get_session()
            await session.call_tool("health_check", {})
            session = await self._get_session()
            return await session.call_tool(tool, arguments)
        except Exception as trouble:
            log.error("%s failed: %s", tool, trouble)
            return None


def now():
    return datetime.now(timezone.utc).isoformat()
