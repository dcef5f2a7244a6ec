"""The simulated carrier's way to the server: signed forms to its webhooks, media streams to its sockets.

Signed are the public addresses, as a carrier would dial them; dialled is this machine.
"""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from voicecore.phone.caller import Caller
from voicecore.phone.carrier import hold
from voicecore.phone.dialect import Identity
from voicecore.phone.line import Line
from voicecore.phone.twiml import CallFailed, StreamTarget, signature_headers

TIMEOUT = aiohttp.ClientTimeout(total=15.0)  # as Twilio's, for TwiML
LONGEST_CALL_S = 4 * 3600.0


class Switch:
    def __init__(self, base: Callable[[], str], public_url: str, auth_token: str) -> None:
        self._base = base
        self._public_url = public_url
        self._auth_token = auth_token
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, url: str, fields: dict[str, str]) -> str:
        """The webhook's answer. Raises CallFailed."""
        headers = signature_headers(url, fields, self._auth_token)
        try:
            async with self._client().post(self._here(url), data=fields, headers=headers) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CallFailed(f"no answer from {url}: {str(error) or 'timed out'}") from error
        if response.status // 100 != 2:
            raise CallFailed(f"{url} answered {response.status}: {text[:200]}")
        return text

    async def stream(self, target: StreamTarget, identity: Identity, person: Caller) -> bool:
        """Hold a conversation until somebody ends it. True: the person did. Raises CallFailed, ProtocolError."""
        line = Line(identity, target.parameters, person)
        headers = signature_headers(target.url, {}, self._auth_token)
        await hold(self._client(), self._here(target.url), line, headers, timeout_s=LONGEST_CALL_S)
        return line.hung_up

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _here(self, url: str) -> str:
        """The same at this server's own port."""
        base = self._base()
        if self._public_url and url.startswith(self._public_url):
            return base + url.removeprefix(self._public_url)
        public = "ws" + self._public_url.removeprefix("http")
        if self._public_url and url.startswith(public):
            return "ws" + base.removeprefix("http") + url.removeprefix(public)
        return url

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        return self._session
