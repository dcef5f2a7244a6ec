"""Twilio as the carrier: https://www.twilio.com/docs/voice/api/call-resource, through Twilio's own package.

The package blocks, so its requests run in a few threads of their own. What it refuses is told apart by Twilio's error
codes: https://www.twilio.com/docs/api/errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from config.schema import TwilioSettings
from voicecore.services.carrier import CallUnknown, CarrierError, Leg, NumberRefused

T = TypeVar("T")
THREADS = 4  # requests at once
TIMEOUT_S = 10.0
EVENTS = ["initiated", "ringing", "answered", "completed"]
# Twilio's code → the number that it does not take.
TO_NUMBER = {13224, 21211, 21214, 21215, 21216, 21217, 21219}
FROM_NUMBER = {21210, 21212, 21213, 13214}
NOT_RUNNING = {20404, 21220}
CREDENTIALS = {20003, 20005, 20006, 20008}


class TwilioCarrier:
    """`default_number`: to call from, where an organization has none."""

    name = "twilio"
    extensions = ""

    def __init__(self, settings: TwilioSettings, default_number: str) -> None:
        self.default_number = default_number
        self._settings = settings
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="twilio")
        self._client: Any = None

    def reserve(self) -> str:
        return ""

    async def dial(self, leg: Leg) -> str:
        def create() -> str:
            calls = self._made().calls
            what = {"twiml": leg.twiml} if leg.twiml else {"url": leg.answer_url, "method": "POST"}
            call = calls.create(
                to=leg.to_number,
                from_=leg.from_number,
                timeout=leg.ring_s,
                status_callback=leg.status_url,
                status_callback_method="POST",
                status_callback_event=EVENTS,
                **what,
            )
            return str(call.sid)

        return await self._ask(create, creates=True)

    async def redirect(self, sid: str, twiml: str) -> None:
        await self._ask(lambda: self._made().calls(sid).update(twiml=twiml))

    async def hang_up(self, sid: str) -> None:
        await self._ask(lambda: self._made().calls(sid).update(status="completed"))

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    async def _ask(self, request: Callable[[], T], *, creates: bool = False) -> T:
        """Raises CarrierError. `creates`: an answer that was lost leaves open whether there is a call now."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, request, creates)

    def _asked(self, request: Callable[[], T], creates: bool) -> T:
        """In a thread."""
        from requests.exceptions import ConnectTimeout, RequestException
        from twilio.base.exceptions import TwilioException, TwilioRestException
        from urllib3.exceptions import NewConnectionError

        try:
            return request()
        except TwilioRestException as error:
            raise _refusal(error.status, error.code or 0, str(error.msg), creates) from error
        except RequestException as error:
            cause = getattr(error.args[0] if error.args else None, "reason", None)
            if isinstance(error, ConnectTimeout) or isinstance(cause, NewConnectionError):
                raise CarrierError("Twilio cannot be reached", again=True) from error
            lost = f"the answer of Twilio was lost: {type(error).__name__}"
            raise CarrierError(lost, again=not creates, unknown=creates) from error
        except TwilioException as error:
            raise CarrierError(f"Twilio's answer was not understood: {error}", unknown=creates) from error

    def _made(self) -> Any:
        """The client; importing its package takes a second, which only servers pay that place calls with it."""
        if self._client is None:
            self._client = _client(self._settings)
        return self._client


def _client(settings: TwilioSettings) -> Any:
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    class Elsewhere(Client):  # type: ignore[misc]  # the package has no types
        """Twilio's client, which asks another host where one is configured."""

        def get_hostname(self, uri: str) -> str:
            if not settings.api_url:
                return str(super().get_hostname(uri))
            other = urlsplit(settings.api_url)
            return urlunsplit(urlsplit(uri)._replace(scheme=other.scheme, netloc=other.netloc))

    return Elsewhere(
        settings.account_sid,
        settings.auth_token,
        region=settings.region or None,
        edge=settings.edge or None,
        http_client=TwilioHttpClient(timeout=TIMEOUT_S),
    )


def _refusal(status: int, code: int, message: str, creates: bool) -> CarrierError:
    """What Twilio's answer means for the call. For credentials the message is ours: theirs names the account."""
    if code in CREDENTIALS or (status in (401, 403) and code == 0):
        return CarrierError("Twilio does not accept the credentials (twilio.account_sid, twilio.auth_token)")
    told = f"Twilio {code}: {message}" if code else f"Twilio answered {status}: {message}"
    if code in TO_NUMBER or code in FROM_NUMBER:
        return NumberRefused(told, "to_number" if code in TO_NUMBER else "from_number")
    if code in NOT_RUNNING or status == 404:
        return CallUnknown(told)
    busy = status in (429, 503)
    return CarrierError(told, again=busy, unknown=creates and status >= 500 and not busy)
