"""What a media connection needs of the process that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from config.schema import MediaSettings
from pipelines.outlet import Outlet
from voicecore.calling import Announcement, Line
from voicecore.domain.accounts import Principal
from voicecore.live import LiveCalls
from voicecore.rota import Rota

if TYPE_CHECKING:
    from voicecore.session import CallSession


class Host(Protocol):
    """The gateway, as one session sees it."""

    media: MediaSettings

    live: LiveCalls

    rota: Rota

    async def authenticate(self, token: str) -> Principal: ...

    async def overheard(self, who: Principal, name: str) -> str:
        """The id of the running call of this name, "" when it is going to be one. Raises NotFound, ConflictError, and
        PermissionDenied for who may not read calls, or not talk with agents."""
        ...

    async def prepare(self, announcement: Announcement, outlet: Outlet) -> Line: ...

    def start(self, session: CallSession) -> None:
        """Run `session.run()` as a task of the gateway."""
        ...

    def forget(self, session: CallSession) -> None: ...
