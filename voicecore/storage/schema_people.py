"""Tables of what people prove and do: second factors, recovery codes, and the trail of changes. `schema.py` has all
tables.
"""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant, created, json, owner, ref, table, text

second_factors = table(  # of which one may be verified, and one wait for that
    "second_factors",
    ref("user_uid", "users"),
    text("sealed_secret"),
    sa.Column("verified_at", Instant()),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    created(),
    sa.Index(None, "user_uid"),
)
recovery_codes = table(
    "recovery_codes",
    ref("factor_uid", "second_factors"),
    text("code_hash"),
    sa.Column("used_at", Instant()),
    created(),
    sa.Index(None, "factor_uid"),
)
audit_entries = table(
    "audit_entries",
    owner(),
    ref("user_uid", "users", nullable=True, ondelete="SET NULL"),
    sa.Column("surface", sa.String(20), nullable=False),
    text("action"),
    text("model_type"),
    text("model_id"),
    sa.Column("risk_level", sa.String(6), nullable=False),
    text("ip"),
    text("user_agent"),
    json("changes"),
    created(),
    sa.Index(None, "organization_uid", "created_at"),
    sa.Index(None, "user_uid"),
)
