"""What the services ask of a CRM's OAuth endpoints; `voicecore/integrations` has the vendors."""

from __future__ import annotations

from typing import Protocol

import msgspec

from voicecore.domain.integrations import Grant


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the address of a vendor's login page."""

    redirect_uri: str
    state: str
    challenge: str
    instance_url: str = ""


class Vendor(Protocol):
    """One CRM's OAuth endpoints. `by_instance`: a user says which of the vendor's servers is his."""

    by_instance: bool

    def login_page(self, leave: Leave) -> str: ...

    async def exchange(self, code: str, verifier: str, redirect_uri: str, instance_url: str) -> Grant:
        """Raises CrmRefused, CrmUnavailable."""
        ...

    async def refresh(self, refresh_token: str, instance_url: str) -> Grant:
        """With the old refresh token where none comes. Raises GrantLost, CrmRefused, CrmUnavailable."""
        ...

    async def revoke(self, refresh_token: str) -> None:
        """Where the vendor can. Raises CrmRefused, CrmUnavailable."""
        ...
