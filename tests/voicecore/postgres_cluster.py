"""A PostgreSQL of the tests' own: the machine's binaries, a private folder, a socket in it, and no durability.

`VOICECORE_TEST_POSTGRES` (the URL of a server, as a superuser) is used instead, where it is set.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

GIVEN = os.environ.get("VOICECORE_TEST_POSTGRES", "")
MISSING = "PostgreSQL is not on this machine (initdb is not found): what it would store is not tested"
# Nothing here outlives the tests: what makes a database safe would only make it slow.
OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=32MB"


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`: on the path, or where Debian puts the newest."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


class Cluster:
    """`base`: an URL without the name of a database; "{}" stands for it."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._count = 0

    def url(self, name: str) -> str:
        return self._base.format(name)

    async def create(self) -> str:
        """A new, empty database, by name."""
        self._count += 1
        name = f"voicecore_test_{os.getpid()}_{self._count}"
        await self._run(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return name

    async def drop(self, name: str) -> None:
        await self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres").replace("+asyncpg", ""))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """The one that is given, or one that lives as long as the context."""
    if GIVEN:
        parts = urlsplit(GIVEN)
        yield Cluster(f"postgresql+asyncpg://{parts.netloc}/{{}}" + (f"?{parts.query}" if parts.query else ""))
        return
    folder = programs()
    assert folder is not None  # whoever asks has looked
    home = Path(tempfile.mkdtemp(prefix="voicecore-pg-"))
    user = _other_user()
    if user is not None:  # PostgreSQL does not run as root
        os.chown(home, user.pw_uid, user.pw_gid)

    def run(program: str, *arguments: str) -> None:
        who = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        command = [str(folder / program), "-D", str(home / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home, **who)

    try:
        run("initdb", "-U", "voicecore", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        run("pg_ctl", "-w", "-l", str(home / "log"), "-o", f"-k {home} -h '' {OPTIONS}", "start")
        try:
            yield Cluster(f"postgresql+asyncpg://voicecore@/{{}}?host={home}")
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _other_user() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("no user is there that PostgreSQL could run as")
