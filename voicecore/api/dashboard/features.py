"""Add-ons, translation and the cache."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from voicecore.api.dashboard.auth import MessageResponse
from voicecore.api.kit import Exchange, Route
from voicecore.domain.accounts import Permission
from voicecore.domain.workspaces import Addon
from voicecore.services.shelf import Shelf
from voicecore.services.translation import Translation
from voicecore.services.workspaces import Workspaces


class AddonShape(msgspec.Struct):
    openai_analysis: bool
    twilio_enhanced_caller_id: bool
    appointments_by_ai: bool


class ToggleRequest(msgspec.Struct):
    """`enabled` is what it is from now on."""

    addonType: Literal["openai_analysis", "twilio_enhanced_caller_id", "appointments_by_ai"]  # noqa: N815
    enabled: bool


class ToggleResponse(msgspec.Struct):
    message: str
    enabled: bool


class TranslationRequest(msgspec.Struct):
    text: Annotated[str, Meta(min_length=1)]
    targetLanguage: Annotated[str, Meta(min_length=1)]  # noqa: N815


class TranslationResponse(msgspec.Struct):
    success: bool
    translatedText: str  # noqa: N815


class CacheShape(msgspec.Struct):
    """Of the workspace. The rates are fractions, 1 together."""

    totalKeys: int  # noqa: N815
    hitRate: float  # noqa: N815
    missRate: float  # noqa: N815


class FeatureHandlers:
    def __init__(self, workspaces: Workspaces, translation: Translation, shelf: Shelf) -> None:
        self._workspaces = workspaces
        self._translation = translation
        self._shelf = shelf

    async def addons(self, exchange: Exchange) -> AddonShape:
        on = await self._workspaces.addons(exchange.organization_uid)
        return AddonShape(
            openai_analysis=Addon.OPENAI_ANALYSIS in on,
            twilio_enhanced_caller_id=Addon.TWILIO_ENHANCED_CALLER_ID in on,
            appointments_by_ai=Addon.APPOINTMENTS_BY_AI in on,
        )

    async def toggle(self, exchange: Exchange) -> ToggleResponse:
        body: ToggleRequest = exchange.body
        await self._workspaces.switch(exchange.organization_uid, Addon(body.addonType), body.enabled)
        return ToggleResponse("Add-on updated successfully", body.enabled)

    async def translate(self, exchange: Exchange) -> TranslationResponse:
        body: TranslationRequest = exchange.body
        text = await self._translation.translate(exchange.organization_uid, body.text, body.targetLanguage)
        return TranslationResponse(success=True, translatedText=text)

    async def cache(self, exchange: Exchange) -> CacheShape:
        figures = self._shelf.figures(exchange.organization_uid)
        hit_rate = round(figures.hit_rate, 4)
        return CacheShape(totalKeys=figures.keys, hitRate=hit_rate, missRate=round(1 - hit_rate, 4))

    async def clear(self, exchange: Exchange) -> MessageResponse:
        self._shelf.clear(exchange.organization_uid)
        return MessageResponse("Cache cleared successfully")

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/api/addons",
                handler=self.addons,
                summary="Which features are switched on",
                tag="Add-ons",
                response=AddonShape,
            ),
            Route(
                method="POST",
                path="/api/addons/toggle",
                handler=self.toggle,
                summary="Switch a feature, from the next call on",
                tag="Add-ons",
                body=ToggleRequest,
                response=ToggleResponse,
                permission=Permission.CONFIGURE,
            ),
            Route(
                method="POST",
                path="/api/translate",
                handler=self.translate,
                summary="Translate a text with the workspace's language model",
                tag="Translation",
                body=TranslationRequest,
                response=TranslationResponse,
                limit="translation",
                failure="Translation failed",
                changes=False,
            ),
            Route(
                method="GET",
                path="/api/cache/stats",
                handler=self.cache,
                summary="How often answers were kept already",
                tag="Cache",
                response=CacheShape,
            ),
            Route(
                method="POST",
                path="/api/cache/clear",
                handler=self.clear,
                summary="Forget the answers that are kept (our addition)",
                tag="Cache",
                response=MessageResponse,
                permission=Permission.CONFIGURE,
            ),
        ]
