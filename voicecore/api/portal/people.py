"""People as the document shows them: their role, what they may do, and how both are written."""

from __future__ import annotations

from voicecore.domain.accounts import Membership, Permission, Role, granted

# The highest of a member's roles, in the document's words.
ROLE_WORDS = {Role.ADMIN: "admin", Role.MANAGER: "manager", Role.USER: "staff"}
ROLES = {word: role for role, word in ROLE_WORDS.items()}


def role_word(roles: tuple[str, ...]) -> str:
    return next((word for role, word in ROLE_WORDS.items() if role.value in roles), ROLE_WORDS[Role.USER])


def permission_words(membership: Membership) -> list[str]:
    """As they were given, else what the role grants."""
    if membership.permissions is not None and Role.ADMIN.value not in membership.roles:
        return list(membership.permissions)
    may = granted(membership.roles)
    return [permission.value for permission in Permission if permission.fine and permission in may]
