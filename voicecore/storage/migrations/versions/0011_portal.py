"""Whose call it was; what an appointment costs and why it was cancelled; where a customer lives; and what long lists
of calls and customers are sorted and searched by."""

from __future__ import annotations

from unicodedata import normalize

import sqlalchemy as sa
from alembic import op

from voicecore.storage.forwards import downgrade as downgrade

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXES = {
    ("calls", "ix_calls_listed"): [
        *("organization_uid", "created_at", "seq", "status", "outcome", "business_uid", "customer_uid", "duration_s"),
        *("party_key", "from_digits", "to_digits"),
    ],
    ("calls", "ix_calls_by_name"): ["organization_uid", "party_key", "seq", "status", "outcome"],
    ("calls", "ix_calls_organization_uid_from_tail"): ["organization_uid", "from_tail"],
    ("calls", "ix_calls_organization_uid_to_tail"): ["organization_uid", "to_tail"],
    ("customers", "ix_customers_organization_uid_name_key"): ["organization_uid", "name_key"],
    ("calls", "ix_calls_organization_uid_customer_uid_created_at"): ["organization_uid", "customer_uid", "created_at"],
    ("appointments", "ix_appointments_sums"): [
        *("organization_uid", "created_at", "status", "price", "business_uid", "service_uid", "resource_uid", "source"),
        "service",
    ],
    ("appointments", "ix_appointments_customer_sums"): [
        *("organization_uid", "customer_uid", "status", "price", "starts_at"),
    ],
}
SHORTEST = 7  # digits that two spellings of a number share


def upgrade() -> None:
    op.add_column("customers", sa.Column("address", sa.JSON(none_as_null=True), server_default="{}", nullable=False))
    op.add_column("calls", sa.Column("customer_uid", sa.String(length=36), nullable=True))
    op.add_column("appointments", sa.Column("service_uid", sa.String(length=36), nullable=True))
    op.add_column("appointments", sa.Column("price", sa.Float, nullable=True))
    op.add_column("appointments", sa.Column("cancel_reason", sa.Text, server_default="", nullable=False))
    op.add_column("customers", sa.Column("name_key", sa.Text, server_default="", nullable=False))
    for name in ("from_tail", "to_tail", "party_key"):
        op.add_column("calls", sa.Column(name, sa.Text, server_default="", nullable=False))
    op.drop_index("ix_calls_organization_uid_created_at", "calls")
    _fill(op.get_bind())
    _fill_keys(op.get_bind())
    for (table, name), columns in INDEXES.items():
        op.create_index(name, table, columns, unique=False)


def _fill(connection: sa.Connection) -> None:
    """The new facts of what is there already: callers by their numbers, services by their names."""
    digits = "CASE WHEN direction = 'outbound' THEN to_digits ELSE from_digits END"
    connection.exec_driver_sql(
        "UPDATE calls SET customer_uid = (SELECT uid FROM customers"
        " WHERE customers.organization_uid = calls.organization_uid"
        f" AND length({digits}) >= {SHORTEST}"
        f" AND customers.phone_tail = substr({digits}, length({digits}) - {SHORTEST - 1})"
        " ORDER BY customers.seq LIMIT 1)"
    )
    for column, source in (("service_uid", "uid"), ("price", "price")):
        connection.exec_driver_sql(
            f"UPDATE appointments SET {column} = (SELECT {source} FROM services"
            " WHERE services.business_uid = appointments.business_uid"
            " AND lower(services.name) = lower(appointments.service) ORDER BY services.seq LIMIT 1)"
        )


def _fill_keys(connection: sa.Connection) -> None:
    """Ends of numbers, and names as they are compared: databases do not agree on that, so it is made here."""
    for side in ("from", "to"):
        digits = f"{side}_digits"
        last = f"CASE WHEN length({digits}) > {SHORTEST} THEN substr({digits}, length({digits}) - {SHORTEST - 1})"
        connection.exec_driver_sql(f"UPDATE calls SET {side}_tail = {last} ELSE {digits} END")
    party = (
        "SELECT calls.seq, coalesce(nullif(customers.name, ''), calls.party_name) FROM calls"
        " LEFT JOIN customers ON customers.uid = calls.customer_uid"
    )
    for table, key, named in (
        ("customers", "name_key", "SELECT seq, name FROM customers"),
        ("calls", "party_key", party),
    ):
        found = connection.exec_driver_sql(named).all()
        rows = [{"row": seq, "key": normalize("NFKC", name.casefold())} for seq, name in found if name]
        if rows:
            connection.execute(sa.text(f"UPDATE {table} SET {key} = :key WHERE seq = :row"), rows)
