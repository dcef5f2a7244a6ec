"""A database from before calls knew whose they were: the new facts are found from what is there."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from voicecore.storage.database import Database, migrate

AT = "2026-01-01 00:00:00"
CALL = (
    "INSERT INTO calls (uid, organization_uid, external_id, direction, status, from_digits, to_digits, agent_version,"
    " metadata, media_health, stages, created_at) VALUES ('{0}', 'o', '{0}', '{1}', 'ringing', '{2}', '{3}', 1,"
    f" '{{{{}}}}', '{{{{}}}}', '{{{{}}}}', '{AT}')"
)
APPOINTMENT = (
    "INSERT INTO appointments (uid, organization_uid, business_uid, external_id, resource_uid, service, starts_at,"
    " ends_at, status, created_at) VALUES ('{0}', 'o', 'b', '{0}', 'r', '{1}', '2026-01-0{2} 00:00:00',"
    f" '2026-01-0{{2}} 01:00:00', 'scheduled', '{AT}')"
)


async def test_callers_and_services_are_found(tmp_path: Path) -> None:
    old = sa.create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with old.begin() as connection:
        migrate(connection, "0010")
        for statement in (
            "INSERT INTO organizations (uid, external_id, address, settings, created_at)"
            f" VALUES ('o', 'o', '{{}}', '{{}}', '{AT}'), ('p', 'p', '{{}}', '{{}}', '{AT}')",
            "INSERT INTO businesses (uid, organization_uid, external_id, name, created_at)"
            f" VALUES ('b', 'o', 'b', 'One', '{AT}')",
            "INSERT INTO resources (uid, organization_uid, business_uid, external_id, name, active)"
            " VALUES ('r', 'o', 'b', 'r', 'R', 1)",
            "INSERT INTO services (uid, organization_uid, business_uid, external_id, name, minutes, price)"
            " VALUES ('s', 'o', 'b', 's', 'Cleaning', 60, 80.5)",
            "INSERT INTO customers (uid, organization_uid, external_id, phone_tail, tags, custom_fields, created_at)"
            f" VALUES ('foreign', 'p', 'x', '1234567', '[]', '{{}}', '{AT}'),"
            f" ('max', 'o', 'x', '1234567', '[]', '{{}}', '{AT}'), ('none', 'o', 'y', '', '[]', '{{}}', '{AT}')",
            "UPDATE customers SET name = 'ÄNNE ß' WHERE uid = 'max'",
            CALL.format("in", "inbound", "49301234567", "49309999999"),
            CALL.format("out", "outbound", "49309999999", "0301234567"),
            CALL.format("other", "inbound", "49309999999", "49301234567"),
            CALL.format("short", "inbound", "110", ""),
            APPOINTMENT.format("known", "cleaning", 1),
            APPOINTMENT.format("unknown", "something", 2),
        ):
            connection.exec_driver_sql(statement)
    old.dispose()
    database = await Database.open_file(tmp_path / "old.db")
    async with database.read() as now:
        found = (await now.execute(sa.text("SELECT uid, customer_uid FROM calls"))).all()
        assert dict(map(tuple, found)) == {"in": "max", "out": "max", "other": None, "short": None}
        ends = (await now.execute(sa.text("SELECT uid, from_tail, to_tail, party_key FROM calls"))).all()
        assert [tuple(row) for row in ends] == [
            ("in", "1234567", "9999999", "änne ss"),
            ("out", "9999999", "1234567", "änne ss"),
            ("other", "9999999", "1234567", ""),
            ("short", "110", "", ""),
        ]
        booked = (await now.execute(sa.text("SELECT uid, service_uid, price FROM appointments ORDER BY seq"))).all()
        assert booked == [("known", "s", 80.5), ("unknown", None, None)]
    await database.close()
