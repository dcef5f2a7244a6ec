"""The client of all CRMs against servers that misbehave, and against addresses that nobody may send us to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from voicecore.destinations import Destinations
from voicecore.domain import instants
from voicecore.domain.integrations import CrmRefused, CrmUnavailable, TokenRefused
from voicecore.integrations import http as module
from voicecore.integrations.http import CrmHttp, retry_after_s


class Vendor:
    """Answers what it is told; `tokens` are those that it saw."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b"", dict[str, str]()
        self.tokens: list[str] = []
        app = web.Application()
        app.router.add_get("/", self._get)
        self.server = TestServer(app)

    async def _get(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization", ""))
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/"))


class Tokens:
    instance_url = ""

    def __init__(self) -> None:
        self.given = 0

    async def token(self, refused: str = "") -> str:
        assert refused == (f"t{self.given}" if self.given else "")
        self.given += 1
        return f"t{self.given}"


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    made = Vendor()
    await made.server.start_server()
    yield made
    await made.server.close()


@pytest.fixture
async def http() -> AsyncIterator[CrmHttp]:
    made = CrmHttp(Destinations(allow_private=True))
    yield made
    await made.close()


async def test_what_is_no_json_and_what_is_too_long(
    vendor: Vendor, http: CrmHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for body, seen in ((b"", None), (b"<html>", None), (b"\xff\xfe", None), (b'{"a": 1}', {"a": 1}), (b"[1]", [1])):
        vendor.body = body
        assert (await http.send("GET", vendor.url)).body == seen
    vendor.body = b'"' + b"x" * 200 + b'"'
    assert (await http.send("GET", vendor.url)).body == "x" * 200
    monkeypatch.setattr(module, "LONGEST_ANSWER", 100)
    with pytest.raises(CrmUnavailable):
        await http.send("GET", vendor.url)


@pytest.mark.parametrize(("status", "after", "wait_s"), [(429, "7", 7.0), (503, "", 0.0), (500, "nonsense", 0.0)])
async def test_a_moments_trouble(vendor: Vendor, http: CrmHttp, status: int, after: str, wait_s: float) -> None:
    vendor.status, vendor.headers = status, {"Retry-After": after}
    with pytest.raises(CrmUnavailable) as caught:
        await http.send("GET", vendor.url)
    assert caught.value.retry_after_s == wait_s


async def test_a_redirect_is_not_followed(vendor: Vendor, http: CrmHttp) -> None:
    vendor.status, vendor.headers = 302, {"Location": "http://169.254.169.254/"}
    assert (await http.send("GET", vendor.url)).status == 302


async def test_nobody_there(vendor: Vendor, http: CrmHttp) -> None:
    url = vendor.url
    await vendor.server.close()
    with pytest.raises(CrmUnavailable):
        await http.send("GET", url)


async def test_a_refused_token_is_renewed_once(vendor: Vendor, http: CrmHttp) -> None:
    vendor.status = 401
    with pytest.raises(TokenRefused):
        await http.with_token(Tokens(), "GET", vendor.url)
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]


async def test_our_own_network_is_not_connected_to(vendor: Vendor) -> None:
    http = CrmHttp(Destinations(allow_private=False))
    port = vendor.server.port
    for host in ("127.0.0.1", "localhost", "[::1]"):
        with pytest.raises(CrmRefused):
            await http.send("GET", f"http://{host}:{port}/")
    await http.close()
    assert vendor.tokens == []


def test_when_to_come_again() -> None:
    later = format_datetime(instants.now() + timedelta(seconds=100), usegmt=True)
    assert 95 < retry_after_s({"Retry-After": later}) <= 100
    for text, seconds in (("12", 12.0), ("-5", 0.0), ("nan", 0.0), ("inf", 86400.0), ("soon", 0.0)):
        assert retry_after_s({"Retry-After": text}) == seconds
    assert retry_after_s({}) == 0.0
