"""Was this request signed by the carrier? Twilio's X-Twilio-Signature, through Twilio's own package.

https://www.twilio.com/docs/usage/security: HMAC-SHA1 over the public URL and the sorted form. The URL is
the one the carrier dialled, so behind a proxy the public address must be configured.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.schema import TwilioSettings
from pipelines.errors import AuthenticationError

HEADER = "X-Twilio-Signature"


class CarrierSignature:
    """Checks nothing unless credentials are configured: then everything must be signed."""

    def __init__(self, settings: TwilioSettings, public_url: str) -> None:
        self.configured = bool(settings.auth_token)
        self._public_url = public_url.rstrip("/")
        if self.configured:
            # The package costs a third of a second to import; only servers with credentials pay it.
            from twilio.request_validator import RequestValidator

            self._validator = RequestValidator(settings.auth_token)

    def check_webhook(self, url: str, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """`url` as it arrived, used when no public address is configured. Raises AuthenticationError."""
        if self.configured:
            dialled = f"{self._public_url}{path}" if self._public_url else url
            self._check([dialled], dict(form), headers)

    def check_upgrade(self, path: str, headers: Mapping[str, str]) -> None:
        """The media socket's handshake: signed over its wss:// address, without a form."""
        if not self.configured:
            return
        if self._public_url:
            base = "wss" + self._public_url[self._public_url.index("://") :]
            bases = [base]
        else:
            bases = [f"{scheme}://{headers.get('Host', '')}" for scheme in ("wss", "ws")]
        # Reports differ on whether the carrier signs a trailing slash.
        self._check([base + path + slash for base in bases for slash in ("", "/")], {}, headers)

    def _check(self, urls: list[str], form: dict[str, str], headers: Mapping[str, str]) -> None:
        signature = headers.get(HEADER, "")
        if not signature:
            raise AuthenticationError(f"the request carries no {HEADER}")
        if not any(self._validator.validate(url, form, signature) for url in urls):
            raise AuthenticationError(
                f"{HEADER} does not match: is the public address configured as the carrier dials it?"
            )
