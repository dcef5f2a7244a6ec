"""Files that exports made, at the host's root: a signed link opens one until it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from voicecore.api.kit import Auth, Exchange, Route
from voicecore.api.links import Links
from voicecore.api.portal.words import z
from voicecore.services.downloads import LIFE, Downloads

KINDS = {
    "csv": "text/csv",
    "json": "application/json",
    "pdf": "application/pdf",
}


class DownloadResponse(msgspec.Struct):
    download_url: str
    expires_at: str


class DownloadHandlers:
    def __init__(self, downloads: Downloads, links: Links) -> None:
        self._downloads = downloads
        self._links = links

    async def keep(self, exchange: Exchange, stem: str, kind: str, parts: AsyncIterator[bytes]) -> DownloadResponse:
        """What an export answers."""
        name, over = await self._downloads.keep(exchange.organization_uid, stem, kind, parts)
        return DownloadResponse(self._links.to(f"/downloads/{name}", exchange.http, LIFE), z(over))

    async def file(self, exchange: Exchange) -> web.StreamResponse:
        """Raises AuthenticationError for a link that is not ours or over."""
        self._links.organization(exchange)
        name = exchange.path("file")
        path = await self._downloads.path(name)
        headers = {
            "Content-Type": KINDS[name.rpartition(".")[2]] + ("; charset=utf-8" if name.endswith(".csv") else ""),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        }
        return web.FileResponse(path, headers=headers)

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/downloads/{file}",
                handler=self.file,
                summary="A file that an export made; by its signed link",
                tag="Downloads",
                media_type="application/octet-stream",
                auth=Auth.SIGNATURE,
                permission=None,
            )
        ]
