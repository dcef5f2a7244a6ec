"""A copy of a customer's data, and forgetting him."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from voicecore.api.kit import Auth, Exchange, Route
from voicecore.api.links import Links
from voicecore.api.vocaliq.words import z
from voicecore.domain import instants
from voicecore.domain.accounts import Permission
from voicecore.domain.privacy import PrivacyRequest, RequestState
from voicecore.services.privacy import EXPORT_LIFE, USUAL_DURATION, Privacy

Part = Literal["calls", "transcripts", "interactions", "appointments"]


class ExportRequest(msgspec.Struct):
    customer_id: str
    include: Annotated[list[Part], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["calls", "transcripts", "interactions", "appointments"]
    )
    format: Literal["json"] = "json"


class ExportResponse(msgspec.Struct):
    """`download_url` comes when `status` is "completed", and expires."""

    export_id: str
    status: str
    estimated_completion: str
    download_url: str | None


class DeleteOptions(msgspec.Struct):
    """Without either, also the rows are removed that figures are made of."""

    anonymize: bool = True
    keep_statistics: bool = True


class DeleteRequest(msgspec.Struct):
    customer_id: str
    delete_options: DeleteOptions = msgspec.field(default_factory=DeleteOptions)


class DeleteResponse(msgspec.Struct):
    deletion_id: str
    customer_id: str
    status: str
    anonymized: bool
    completed_at: str


class GdprHandlers:
    def __init__(self, privacy: Privacy, links: Links) -> None:
        self._privacy = privacy
        self._links = links

    async def export(self, exchange: Exchange) -> ExportResponse:
        body: ExportRequest = exchange.body
        asked = await self._privacy.export(exchange.organization_uid, body.customer_id, body.include)
        return self._shown(asked, exchange)

    async def state(self, exchange: Exchange) -> ExportResponse:
        found = await self._privacy.find(exchange.path("export_id"), exchange.organization_uid)
        return self._shown(found, exchange)

    async def download(self, exchange: Exchange) -> web.StreamResponse:
        """A signed link needs no token; either way 404 hides foreign ones."""
        name = exchange.path("export_id")
        path = await self._privacy.file(name, self._links.organization(exchange))
        headers = {
            "Content-Type": "application/json",
            "Content-Disposition": f'attachment; filename="{name}.json"',
            "Cache-Control": "private, no-store",
        }
        return web.FileResponse(path, headers=headers)

    async def delete(self, exchange: Exchange) -> DeleteResponse:
        body: DeleteRequest = exchange.body
        options = body.delete_options
        done = await self._privacy.delete(
            exchange.organization_uid, body.customer_id, anonymize=options.anonymize, keep=options.keep_statistics
        )
        return DeleteResponse(
            deletion_id=done.external_id,
            customer_id=body.customer_id,
            status=done.state.value,
            anonymized=options.anonymize,
            completed_at=z(done.finished_at or instants.now()),
        )

    def _shown(self, request: PrivacyRequest, exchange: Exchange) -> ExportResponse:
        url = None
        if request.state is RequestState.COMPLETED and request.expires_at is not None:
            left = min(EXPORT_LIFE, request.expires_at - instants.now())
            url = self._links.to(f"/exports/{request.external_id}.json", exchange.http, left)
        ready = request.finished_at or request.created_at + USUAL_DURATION
        return ExportResponse(request.external_id, request.state.value, z(ready), url)

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/gdpr", "GDPR"
        return [
            Route(
                method="POST",
                path=f"{base}/export",
                handler=self.export,
                summary="Ask for a copy of a customer's data; it is made in the background",
                tag=tag,
                body=ExportRequest,
                response=ExportResponse,
                status=202,
                permission=Permission.ADMINISTER,
            ),
            Route(
                method="GET",
                path=f"{base}/export/{{export_id}}",
                handler=self.state,
                summary="What became of an export (our addition)",
                tag=tag,
                response=ExportResponse,
                permission=Permission.ADMINISTER,
            ),
            Route(
                method="GET",
                path="/exports/{export_id:[^/.]+}.json",
                handler=self.download,
                summary="A finished export. Bearer token or signed link",
                tag=tag,
                auth=Auth.ACCESS_OR_SIGNATURE,
                permission=Permission.ADMINISTER,
            ),
            Route(
                method="POST",
                path=f"{base}/delete",
                handler=self.delete,
                summary="Forget a customer, everywhere",
                tag=tag,
                body=DeleteRequest,
                response=DeleteResponse,
                permission=Permission.ADMINISTER,
            ),
        ]
