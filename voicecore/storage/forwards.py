"""What every migration says to going back. It knows no table."""

from __future__ import annotations

from pipelines.errors import VoicecoreError


class Irreversible(VoicecoreError):
    """A schema is not taken back: that would throw data away."""

    code = "irreversible_migration"
    http_status = 500


def downgrade() -> None:
    """Raises Irreversible."""
    raise Irreversible("data is not thrown away: restore a backup to go back")
