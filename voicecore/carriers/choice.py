"""Which carrier the settings ask for."""

from __future__ import annotations

from collections.abc import Callable

from config.schema import ServerSettings
from pipelines.errors import ConfigError
from voicecore.fellows import Fellows
from voicecore.services.carrier import Carrier


def chosen(settings: ServerSettings, fellows: Fellows, base: Callable[[], str]) -> Carrier | None:
    """None: calls cannot be placed. `base`: where this server listens. Raises ConfigError when Twilio is asked for and
    something is missing."""
    wanted, twilio = settings.carrier, settings.twilio
    if wanted.kind == "simulated" or (not wanted.kind and not twilio.account_sid):
        # Imported where it is used: not every server has telephones of its own.
        from voicecore.carriers.simulated import SimulatedCarrier

        return SimulatedCarrier(
            wanted.simulated, fellows, base, public_url=settings.public_url, auth_token=twilio.auth_token
        )
    missing = [
        key
        for key, value in (
            ("twilio.account_sid", twilio.account_sid),
            ("twilio.auth_token", twilio.auth_token),
            ("public_url", settings.public_url),
        )
        if not value
    ]
    if wanted.kind == "twilio" and missing:
        raise ConfigError("Twilio needs it to carry calls", source="settings", key=missing[0])
    if wanted.kind == "none" or missing:
        return None
    from voicecore.carriers.twilio import TwilioCarrier

    return TwilioCarrier(twilio, wanted.from_number)
