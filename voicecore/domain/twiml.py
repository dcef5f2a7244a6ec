"""What we tell a carrier to do with a call, in TwiML: https://www.twilio.com/docs/voice/twiml. Only words; who says
them to whom is the webhooks' and the services' business."""

from __future__ import annotations

from xml.etree import ElementTree

Response = ElementTree.Element


def response() -> Response:
    return ElementTree.Element("Response")


def connect(url: str, parameters: dict[str, str]) -> Response:
    """Stream the call's audio to us, both ways."""
    root = response()
    stream = ElementTree.SubElement(ElementTree.SubElement(root, "Connect"), "Stream", url=url)
    for name, value in parameters.items():
        if value:
            ElementTree.SubElement(stream, "Parameter", name=name, value=value)
    return root


def spoken(text: str) -> Response:
    """The carrier's own voice, then the end."""
    root = response()
    ElementTree.SubElement(root, "Say").text = text
    ElementTree.SubElement(root, "Hangup")
    return root


def redirected(url: str) -> Response:
    root = response()
    ElementTree.SubElement(root, "Redirect").text = url
    return root


def rejected() -> Response:
    """A busy tone."""
    root = response()
    ElementTree.SubElement(root, "Reject", reason="busy")
    return root


def hung_up() -> Response:
    root = response()
    ElementTree.SubElement(root, "Hangup")
    return root


def dialled(target: str, caller_number: str, ring_s: int) -> Response:
    """Connect with a number or a SIP address; the call ends when that does."""
    root = response()
    dial = ElementTree.SubElement(root, "Dial", callerId=caller_number, timeout=str(ring_s))
    ElementTree.SubElement(dial, "Sip" if target.startswith("sip:") else "Number").text = target
    return root


def in_room(room: str, *, ends_it: bool, announcement: str = "") -> Response:
    """Meet others in a room. `ends_it`: the room closes when this one leaves."""
    root = response()
    if announcement:
        ElementTree.SubElement(root, "Say").text = announcement
    dial = ElementTree.SubElement(root, "Dial")
    words = {True: "true", False: "false"}
    conference = ElementTree.SubElement(dial, "Conference", beep="false", endConferenceOnExit=words[ends_it])
    conference.text = room
    return root


def text(root: Response) -> str:
    return ElementTree.tostring(root, encoding="unicode")


def document(root: Response) -> bytes:
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
