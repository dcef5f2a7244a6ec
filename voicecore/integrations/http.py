"""One HTTP client for all CRMs: bounded in time and size, to allowed addresses only, failures as the two errors that
callers can act on. Knows no vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from voicecore.destinations import Destinations, PrivateDestination
from voicecore.domain import instants
from voicecore.domain.integrations import CrmRefused, CrmUnavailable, TokenRefused

REQUEST_S = 10.0
LONGEST_ANSWER = 1 << 20  # bytes
AT_ONCE = 20
UNAUTHORIZED, TIMEOUT, TOO_EARLY, TOO_MANY = 401, 408, 425, 429
LATEST_RETRY_S = 86400.0


class Access(Protocol):
    """One workspace's right to its CRM."""

    @property
    def instance_url(self) -> str: ...

    async def token(self, refused: str = "") -> str:
        """An access token other than `refused`."""
        ...


class Answer(msgspec.Struct, frozen=True):
    """`body` is what JSON there was, else None."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def good(self) -> bool:
        return self.status // 100 == 2

    def member(self, name: str) -> str:
        """A text of the body; "" when there is none."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        return value if isinstance(value, str) else ""


class CrmHttp:
    """`destinations` decides where it may connect to. Close it once."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Answer:
        """`url` is encoded already. Raises CrmUnavailable, also for 5xx and limits, and CrmRefused for an address that
        is not allowed."""
        host = urlsplit(url).hostname or ""
        if self._destinations.literal_refused(host):
            raise CrmRefused("not a public address")
        body = None if json is None else msgspec.json.encode(json)
        sent = {"Accept": "application/json", "User-Agent": "voicecore"} | dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            async with self._client().request(
                method, URL(url, encoded=True), headers=sent, data=form or body, allow_redirects=False
            ) as response:
                raw = await response.content.read(LONGEST_ANSWER + 1)
                while len(raw) <= LONGEST_ANSWER and (more := await response.content.read(LONGEST_ANSWER)):
                    raw += more
                answer = Answer(response.status, response.headers.copy(), _decoded(raw))
        except TimeoutError as error:
            raise CrmUnavailable(f"{host}: no answer within {REQUEST_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error.__cause__, PrivateDestination):
                raise CrmRefused("not a public address") from error
            raise CrmUnavailable(f"{host}: {type(error).__name__}") from error
        if answer.status >= 500 or answer.status in (TIMEOUT, TOO_EARLY, TOO_MANY):
            raise CrmUnavailable(f"{host} answered {answer.status}", retry_after_s(answer.headers))
        return answer

    async def with_token(
        self,
        access: Access,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Answer:
        """The same with a bearer token (RFC 6750 §2.1); one that is refused is renewed, once. Raises TokenRefused,
        besides what `send` and `Access` raise."""
        token = ""
        for _ in range(2):
            token = await access.token(refused=token)
            bearer = {"Authorization": f"Bearer {token}"} | dict(headers or {})
            answer = await self.send(method, url, headers=bearer, json=json)
            if answer.status != UNAUTHORIZED:
                return answer
        raise TokenRefused(f"{urlsplit(url).hostname} does not accept a fresh token")

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No cache of names: each connection is to an address that was checked for it.
            connector = aiohttp.TCPConnector(resolver=self._destinations, use_dns_cache=False, limit=AT_ONCE)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=REQUEST_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _decoded(raw: bytes) -> Any:
    """Raises ValueError for what is too long; what is no JSON is None, for there is nothing to be learnt from it."""
    if len(raw) > LONGEST_ANSWER:
        raise ValueError("answer too long")
    try:
        return msgspec.json.decode(raw) if raw else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds or a date (RFC 9110 §10.2.3); 0 when there is none that makes sense."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            at: datetime = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return 0.0
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - instants.now().timestamp()
    return min(max(seconds, 0.0), LATEST_RETRY_S) if seconds == seconds else 0.0
