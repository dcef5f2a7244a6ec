"""What some clients name by an integer, within one organization."""

from __future__ import annotations

from enum import StrEnum


class Counted(StrEnum):
    """Kinds of rows, by table."""

    APPOINTMENT = "appointments"
    BRANCH = "businesses"
    CALL = "calls"
    CUSTOMER = "customers"
    SERVICE = "services"
    STAFF = "resources"
