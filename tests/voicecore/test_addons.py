"""What is switched off for an organization is off in its calls: from the ring to the record."""

from __future__ import annotations

from typing import Any

import aiohttp
from media_server import House, start_message

from voicecore.phone.twiml import parse_twiml

RING = {"From": "+491", "To": "+15550100000", "CallStatus": "ringing", "CallerName": "Müller, Anna 🦷"}


async def toggle(house: House, addon: str, enabled: bool) -> None:
    base = f"{house.server.url}/dashboard/api"
    account = {"email": "ada@demo.example", "password": "ada-password"}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{base}/auth/login", json=account) as response:
            headers = {"Authorization": f"Bearer {(await response.json())['token']}"}
        body: dict[str, Any] = {"addonType": addon, "enabled": enabled}
        async with session.post(f"{base}/addons/toggle", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()


async def rung(house: House, sid: str) -> tuple[dict[str, str], str]:
    """The parameters of the stream that a ring is connected to, and the caller's name on the record of that call."""
    async with aiohttp.ClientSession() as session:
        form = RING | {"CallSid": sid}
        async with session.post(f"{house.server.url}/webhooks/twilio/voice", data=form) as response:
            target = parse_twiml(await response.text())
    start = start_message(sid)
    start["start"]["customParameters"] = target.parameters
    async with house.socket(target.url.removeprefix(house.ws)) as socket:
        await socket.send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await socket.send(start)
        await house.talking(sid)
        await socket.send({"event": "stop", "streamSid": "MZ1", "stop": {"accountSid": "AC1", "callSid": sid}})
        await socket.closed()
    return target.parameters, (await house.ended(sid)).call.party_name


async def test_callers_have_names_only_while_the_addon_is_on(house: House) -> None:
    addon = "twilio_enhanced_caller_id"
    parameters, name = await rung(house, "CA" + "0" * 32)
    assert "caller_name" not in parameters
    assert name == ""
    await toggle(house, addon, True)
    parameters, name = await rung(house, "CA" + "1" * 32)
    assert parameters["caller_name"] == name == RING["CallerName"]
    await toggle(house, addon, False)
    assert (await rung(house, "CA" + "2" * 32))[1] == ""
