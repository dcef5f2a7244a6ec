"""Admit → run → record → close: every call of this process, from the upgrade request to the last row.

It owns the tasks and the registry of running calls, decides who may connect, and drains. What is said in a
call, and by whom, is the reception's and the conversation's business.
"""

from __future__ import annotations

import asyncio
import ipaddress
from http import HTTPStatus

import structlog
from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from config.schema import MediaSettings
from pipelines.errors import AuthenticationError, NotFound, PermissionDenied, VoicecoreError
from pipelines.events import EndReason
from pipelines.outlet import Outlet
from voicecore.admission import Admission
from voicecore.calling import Announcement, Line, Ticket
from voicecore.domain.accounts import Permission, Principal
from voicecore.heap import Sweeper
from voicecore.live import LiveCalls
from voicecore.reception import Reception
from voicecore.rota import Rota
from voicecore.services.accounts import Accounts
from voicecore.services.overhearing import Overhearing
from voicecore.session import CallSession
from voicecore.sockets import MediaSocket
from voicecore.tickets import Tickets
from voicecore.transports.plain import PlainDialect
from voicecore.transports.twilio import TwilioDialect
from voicecore.transports.twilio_signature import CarrierSignature

log = structlog.get_logger(__name__)

TWILIO_PATH = b"/twilio/media"
PLAIN_PATH = b"/ws/media/"
PATHS = ("/twilio/media", "/twilio/media/{token}", "/ws/media/{call_sid}")  # the same, as HTTP routes them
LONGEST_SID = 128
GOODBYE_S = 8.0  # for the closing sentence of calls that are cut off by a shutdown
STOP_S = 5.0  # for what ended calls still have to report
SURFACE = "vocaliq"  # whose access tokens open the plain media socket


def claims(path: bytes) -> bool:
    """Is this the path of a media socket?"""
    return path == TWILIO_PATH or path.startswith((TWILIO_PATH + b"/", PLAIN_PATH))


class Gateway:
    """The running calls of one process."""

    def __init__(
        self,
        media: MediaSettings,
        reception: Reception,
        accounts: Accounts,
        tickets: Tickets,
        signature: CarrierSignature,
        admission: Admission,
        live: LiveCalls,
        rota: Rota,
        overhearing: Overhearing,
    ) -> None:
        self.live = live
        self.rota = rota
        self._overhearing = overhearing
        self.media = media
        self.admission = admission
        self._reception = reception
        self._accounts = accounts
        self._tickets = tickets
        self._signature = signature
        self._sweeper = Sweeper()
        self._sessions: set[CallSession] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    # --- who may connect ----------------------------------------------------------------------------

    @property
    def active_calls(self) -> int:
        return len(self._sessions)

    def upgrade(self, request: WSUpgradeRequest, peer_host: str) -> WSListener | WSUpgradeResponseWithListener:
        """Accept or refuse a media socket, before anything is allocated for it."""
        try:
            return self._accept(request, peer_host)
        except VoicecoreError as error:
            log.warning("media_refused", code=error.code, reason=error.message)
            status = HTTPStatus(403 if isinstance(error, AuthenticationError) else error.http_status)
            body = error.message.encode()
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, body), None)

    def _accept(self, request: WSUpgradeRequest, peer_host: str) -> WSListener:
        path: bytes = request.path.partition(b"?")[0]
        if path.startswith(PLAIN_PATH):
            sid = path.removeprefix(PLAIN_PATH).decode("ascii", "replace")
            if not 0 < len(sid) <= LONGEST_SID or "/" in sid or not sid.isprintable():
                raise NotFound("the path is /ws/media/{call_sid}")
            self.admission.admit()
            return self._socket("plain", Ticket(call_sid=sid))
        token = path.removeprefix(TWILIO_PATH).strip(b"/").decode("ascii", "replace")
        self._signature.check_upgrade(path.decode("ascii", "replace"), request.headers)
        if not self._signature.configured and not _is_local(peer_host, request):
            raise AuthenticationError("no carrier credentials are configured: connections from loopback only")
        if token:
            # Admitted when its webhook was answered: a caller who was promised a line gets one.
            return self._socket("twilio", self._tickets.redeem(token))
        if self._signature.configured:
            raise AuthenticationError("a media token is required: it stands in the URL that the webhook gives")
        self.admission.admit()
        return self._socket("twilio", Ticket())

    def _socket(self, transport: str, ticket: Ticket) -> MediaSocket:
        dialect = PlainDialect if transport == "plain" else TwilioDialect

        def connect(socket: MediaSocket) -> CallSession:
            session = CallSession(self, socket, dialect(), transport, ticket)
            self._sessions.add(session)
            self.live.add(session)
            self.admission.enter()
            self._empty.clear()
            return session

        return MediaSocket(connect, self.media.max_message_bytes, self.media.send_timeout_s)

    # --- host of the sessions -----------------------------------------------------------------------

    async def authenticate(self, token: str) -> Principal:
        return await self._accounts.authenticate(token, SURFACE)

    async def overheard(self, who: Principal, name: str) -> str:
        call_id = await self._overhearing.call_of(who.organization_uid, name)
        if not who.may(Permission.READ if call_id else Permission.BOOK):  # as with calls and conversations over REST
            raise PermissionDenied("not permitted")
        return call_id

    async def prepare(self, announcement: Announcement, outlet: Outlet) -> Line:
        return await self._reception.prepare(announcement, outlet)

    def start(self, session: CallSession) -> None:
        task = asyncio.get_running_loop().create_task(self._run(session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, session: CallSession) -> None:
        if session in self._sessions:
            self._sessions.discard(session)
            self.live.discard(session)
            self.admission.leave()
            self._sweeper.call_ended(len(self._sessions))
        if not self._sessions:
            self._empty.set()

    async def _run(self, session: CallSession) -> None:
        """One call's failure is one call's: it is logged, and ends nothing else."""
        try:
            await session.run()
        except* Exception:
            log.exception("call_failed")

    # --- the end ------------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> None:
        """Take no new calls; let the running ones finish until the deadline, then say goodbye and end them."""
        self.admission.draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
                return
        except TimeoutError:
            log.info("drain_deadline", calls=len(self._sessions))
        for session in list(self._sessions):
            if not session.say_goodbye(EndReason.SERVER_SHUTDOWN):
                session.shut_down()
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._empty.wait()
        except TimeoutError:
            await self.stop()

    async def stop(self) -> None:
        """End every call now; what they report is still recorded."""
        self.admission.draining = True
        self.live.close()
        for session in list(self._sessions):
            session.shut_down()
        try:
            async with asyncio.timeout(STOP_S):
                await self._empty.wait()
        except TimeoutError:
            log.error("calls_unfinished", calls=len(self._sessions))


def _is_local(host: str, request: WSUpgradeRequest) -> bool:
    """From this machine, and not merely through a proxy on it."""
    if any(name in request.headers for name in ("X-Forwarded-For", "Forwarded")):
        return False
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False
