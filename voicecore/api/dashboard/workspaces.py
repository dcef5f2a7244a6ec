"""Workspaces, and the settings of the one that is selected."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from voicecore.api.dashboard.auth import MessageResponse
from voicecore.api.dashboard.words import known_uid, unix
from voicecore.api.kit import Exchange, Route
from voicecore.domain.accounts import Permission
from voicecore.services.workspaces import MISSING, SettingsPatch, Workspaces

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Key = Annotated[str, Meta(max_length=1000)] | msgspec.UnsetType | None
Choice = Annotated[str, Meta(max_length=200)] | msgspec.UnsetType | None


class WorkspaceShape(msgspec.Struct):
    id: str
    name: str
    created_at: int


class ListedWorkspaceShape(msgspec.Struct):
    """`role` is the caller's own."""

    id: str
    name: str
    role: str
    created_at: int


class WorkspaceListResponse(msgspec.Struct):
    workspaces: list[ListedWorkspaceShape]


class WorkspaceResponse(msgspec.Struct):
    workspace: WorkspaceShape


class WorkspaceRequest(msgspec.Struct):
    name: Name


class SettingsShape(msgspec.Struct):
    """Null where nothing was set. Keys are shown to those who may change them."""

    privateKey: str | None  # noqa: N815
    publicKey: str | None  # noqa: N815
    openaiApiKey: str | None  # noqa: N815
    selectedAssistantId: str | None  # noqa: N815
    selectedPhoneId: str | None  # noqa: N815
    selectedOrgId: str | None  # noqa: N815
    selectedWorkspaceId: str  # noqa: N815


class SettingsChange(msgspec.Struct):
    """What is left out stays, null and "" empty. With `selectedWorkspaceId` the rest is of that workspace."""

    privateKey: Key = msgspec.UNSET  # noqa: N815
    publicKey: Key = msgspec.UNSET  # noqa: N815
    openaiApiKey: Key = msgspec.UNSET  # noqa: N815
    selectedAssistantId: Choice = msgspec.UNSET  # noqa: N815
    selectedPhoneId: Choice = msgspec.UNSET  # noqa: N815
    selectedOrgId: Choice = msgspec.UNSET  # noqa: N815
    selectedWorkspaceId: Choice = msgspec.UNSET  # noqa: N815


class WorkspaceHandlers:
    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def listing(self, exchange: Exchange) -> WorkspaceListResponse:
        found = await self._workspaces.listing(exchange.who.user_uid)
        return WorkspaceListResponse(
            [
                ListedWorkspaceShape(
                    one.organization.uid, one.organization.name, one.role, unix(one.organization.created_at)
                )
                for one in found
            ]
        )

    async def create(self, exchange: Exchange) -> WorkspaceResponse:
        body: WorkspaceRequest = exchange.body
        made = await self._workspaces.create(exchange.who.user_uid, body.name)
        return WorkspaceResponse(WorkspaceShape(made.uid, made.name, unix(made.created_at)))

    async def settings(self, exchange: Exchange) -> SettingsShape:
        found = await self._workspaces.settings(exchange.who)
        return SettingsShape(
            privateKey=found.private_key or None,
            publicKey=found.public_key or None,
            openaiApiKey=found.model_key or None,
            selectedAssistantId=found.selection.assistant or None,
            selectedPhoneId=found.selection.phone or None,
            selectedOrgId=found.selection.org or None,
            selectedWorkspaceId=found.organization_uid,
        )

    async def change(self, exchange: Exchange) -> MessageResponse:
        body: SettingsChange = exchange.body
        workspace = _given(body.selectedWorkspaceId)
        patch = SettingsPatch(
            workspace=known_uid(workspace, MISSING) if workspace else None,
            private_key=_given(body.privateKey),
            public_key=_given(body.publicKey),
            model_key=_given(body.openaiApiKey),
            assistant=_given(body.selectedAssistantId),
            phone=_given(body.selectedPhoneId),
            org=_given(body.selectedOrgId),
        )
        await self._workspaces.change(exchange.who, patch)
        return MessageResponse("Settings updated successfully")

    def routes(self) -> list[Route]:
        base = "/api"
        return [
            Route(
                method="GET",
                path=f"{base}/workspaces",
                handler=self.listing,
                summary="Workspaces that the user belongs to, oldest membership first",
                tag="Workspaces",
                response=WorkspaceListResponse,
                permission=None,
            ),
            Route(
                method="POST",
                path=f"{base}/workspaces",
                handler=self.create,
                summary="Make a workspace; its maker administers it. It is not selected",
                tag="Workspaces",
                body=WorkspaceRequest,
                response=WorkspaceResponse,
                permission=None,
            ),
            Route(
                method="GET",
                path=f"{base}/settings",
                handler=self.settings,
                summary="Settings of the selected workspace",
                tag="Settings",
                response=SettingsShape,
            ),
            Route(
                method="PUT",
                path=f"{base}/settings",
                handler=self.change,
                summary="Select a workspace, and change settings of the selected one",
                tag="Settings",
                body=SettingsChange,
                response=MessageResponse,
                permission=Permission.READ,  # to select; the service asks for more where something is configured
            ),
        ]


def _given(value: str | msgspec.UnsetType | None) -> str | None:
    """What the service understands: None keeps, "" empties."""
    return None if value is msgspec.UNSET else value or ""
