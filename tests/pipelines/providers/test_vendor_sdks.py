"""The emulators are judged by the vendors' own clients: what those send is taken, what they get they understand."""

from __future__ import annotations

import pytest
from cloud_contract import soon

from benchmarks.emulators.cartesia import CartesiaEmulator
from benchmarks.emulators.deepgram import DeepgramEmulator
from benchmarks.emulators.speech import tone
from pipelines.audio import AudioFormat, Codec

WIDE = AudioFormat(Codec.PCM16, 16000)
TEXT = "Schöne Grüße aus Köln"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the SDKs


async def test_deepgrams_sdk_and_our_emulator_understand_each_other() -> None:
    sdk = pytest.importorskip("deepgram", reason="NOT TESTED: deepgram-sdk is not installed")
    import httpx
    from deepgram.environment import DeepgramClientEnvironment

    async with DeepgramEmulator() as emulator, httpx.AsyncClient() as http:
        url, ws_url = emulator.url, emulator.ws_url
        environment = DeepgramClientEnvironment(base=url, production=ws_url, agent=ws_url, agent_rest=url)
        client = sdk.AsyncDeepgramClient(api_key="any", environment=environment, httpx_client=http)
        query = {"encoding": "linear16", "sample_rate": 16000, "keyterm": ["Köln"]}
        async with client.listen.v1.connect(model="nova-3", interim_results=True, **query) as listen:
            await listen.send_media(tone(WIDE, 600))
            await listen.send_keep_alive()
            await listen.send_finalize()
            results = await soon(listen.recv())
            while not results.from_finalize:
                results = await soon(listen.recv())
            assert results.channel.alternatives[0].transcript == emulator.transcript
        async with client.listen.v2.connect(model="flux-general-en", eager_eot_threshold=0.5, **query) as listen:
            await listen.send_media(tone(WIDE, 640) + bytes(32000))
            events = [(await soon(listen.recv())).type]
            while events[-1] != "EndOfTurn":
                turn = await soon(listen.recv())
                events.append(turn.event)
            assert events[0] == "Connected"
            assert [event for event in events[1:] if event != "Update"] == [
                "StartOfTurn",
                "EagerEndOfTurn",
                "EndOfTurn",
            ]
            assert turn.transcript == emulator.transcript
        sound = client.speak.v1.audio.generate(
            text=TEXT, model="aura-2-viktoria-de", encoding="mulaw", sample_rate=8000, container="none"
        )
        assert sum([len(piece) async for piece in sound]) == 8 * 60 * len(TEXT)
        assert emulator.spoken == [TEXT]
        assert not emulator.refused


async def test_cartesias_sdk_and_our_emulator_understand_each_other() -> None:
    sdk = pytest.importorskip("cartesia", reason="NOT TESTED: cartesia is not installed")
    voice = {"mode": "id", "id": "any"}
    wanted = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
    async with CartesiaEmulator() as emulator:
        client = sdk.AsyncCartesia(api_key="any", base_url=emulator.url, websocket_base_url=emulator.ws_url)
        async with client.tts.websocket_connect() as connection:
            context = connection.context(model_id="sonic-3", voice=voice, output_format=wanted, add_timestamps=True)
            await context.send(transcript=TEXT, voice=voice, continue_=False)
            messages = [message async for message in context.receive()]
        assert sum(len(message.audio) for message in messages if message.type == "chunk") == 8 * 60 * len(TEXT)
        assert [word for message in messages if message.type == "timestamps" for word in message.word_timestamps.words]
        assert messages[-1].type == "done"
        listening = client.stt.manual_finalize.websocket(
            encoding="pcm_s16le", model="ink-2", sample_rate=16000, keyterm=["Köln"]
        )
        async with listening as connection:
            await connection.send_raw(tone(WIDE, 600))
            await connection.send("finalize")
            heard = [await soon(connection.recv())]
            while heard[-1].type != "flush_done":
                heard.append(await soon(connection.recv()))
        assert "".join(m.text for m in heard if m.type == "transcript" and m.is_final) == emulator.transcript
        await client.close()
        await soon(emulator.unplugged())
        assert not emulator.refused
