"""Asks a voice webhook what to do with a call, as Twilio does, and reads the <Connect><Stream> it answers.

Knows the webhook's form fields, the signature and the one verb it needs; every other verb is refused.
"""

from __future__ import annotations

from xml.etree import ElementTree

import aiohttp
import msgspec
from twilio.request_validator import RequestValidator

from pipelines.errors import ProtocolError, VoicecoreError
from voicecore.phone.dialect import Identity

TIMEOUT_S = 15.0  # Twilio waits that long for TwiML (error 11200 after it)


class CallFailed(VoicecoreError):
    """The call could not be placed, or the line broke. The message names the address and the reason."""

    code = "call_failed"
    http_status = 502


class StreamTarget(msgspec.Struct, frozen=True):
    """Where the media goes, and the custom parameters of the start message."""

    url: str
    parameters: dict[str, str] = {}


def parse_twiml(document: str) -> StreamTarget:
    """Raises ProtocolError when it is not TwiML with a bidirectional stream."""
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise ProtocolError(f"the webhook's answer is not XML: {error}") from error
    stream = root.find("./Connect/Stream")
    if root.tag != "Response" or stream is None:
        verbs = ", ".join(child.tag for child in root) or "nothing"
        raise ProtocolError(f"the webhook answered <{root.tag}> with {verbs}, not <Connect><Stream>")
    url = stream.get("url", "").strip()
    if not url.startswith(("ws://", "wss://")):
        raise ProtocolError(f"<Stream url> must be a WebSocket address, not {url!r}")
    if "?" in url:
        raise ProtocolError("<Stream url> has a query string, which Twilio refuses (error 31920)")
    parameters = {item.get("name", ""): item.get("value", "") for item in stream.findall("Parameter")}
    return StreamTarget(url, parameters)


def signature_headers(url: str, fields: dict[str, str], auth_token: str) -> dict[str, str]:
    """X-Twilio-Signature over the address as dialled and the sorted form fields; none without a token."""
    if not auth_token:
        return {}
    return {"X-Twilio-Signature": RequestValidator(auth_token).compute_signature(url, fields)}


async def fetch_stream(
    session: aiohttp.ClientSession,
    webhook: str,
    identity: Identity,
    *,
    caller: str,
    called: str,
    auth_token: str,
) -> StreamTarget:
    """POST what Twilio posts for an incoming call. Raises CallFailed, ProtocolError."""
    fields = {
        "AccountSid": identity.account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": identity.call_sid,
        "CallStatus": "ringing",
        "Called": called,
        "Caller": caller,
        "Direction": "inbound",
        "From": caller,
        "To": called,
    }
    headers = signature_headers(webhook, fields, auth_token)
    try:
        async with session.post(
            webhook, data=fields, headers=headers, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
        ) as response:
            text = await response.text()
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CallFailed(f"no answer from {webhook}: {str(error) or 'timed out'}") from error
    if status != 200:
        raise CallFailed(f"{webhook} answered {status}: {' '.join(text.split())[:200]}")
    return parse_twiml(text)
