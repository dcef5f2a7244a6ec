"""Pipecat answering on Twilio's protocol with engines that only wait: the peer of `benchmarks.capacity`.

Runs in a virtual environment of its own with `pipecat-ai` and knows nothing of this repository. Transport, serializer,
turn taking and pipeline are Pipecat's own, one pipeline a call in one process, as its telephony examples have it; only
recogniser, model and voice are stand-ins. Configurations: `default` (Silero + Smart Turn), `silero` (Silero, the turn
ends by silence), `external` (no detector in this process: the recogniser's service tells).
"""

import argparse
import asyncio
import audioop
import json
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import (
    ExternalUserTurnStrategies,
    UserTurnStrategies,
)
from pipecat.utils.time import time_now_iso8601

RATE_HZ = 8000
SILENCE_S = 0.42  # after the last voiced frame, as in the other servers
SILERO_STOP_S = 0.2  # Pipecat's default for its detector
LOUD_RMS = 200


class WaitingRecogniser(STTService):
    """The utterance's text `stt_ms` after speech ended. `decides`: it also tells when turns begin and end."""

    def __init__(self, waits, decides):
        super().__init__(
            sample_rate=RATE_HZ,
            ttfs_p99_latency=waits["stt_ms"] / 1000,
            settings=STTSettings(model="none", language=None),
        )
        self._wait_s = waits["stt_ms"] / 1000
        self._decides = decides
        self._speaking = False
        self._silent_s = 0.0
        self._voiced_s = 0.0

    async def run_stt(self, audio):
        if self._decides:
            await self._as_a_service_would(audio)
        yield None

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame) and not self._decides:
            self.create_task(self._transcribe())

    async def _transcribe(self):
        await asyncio.sleep(self._wait_s)
        await self.push_frame(
            TranscriptionFrame("I would like to book an appointment.", "caller", time_now_iso8601(), finalized=True)
        )

    async def _as_a_service_would(self, audio):
        seconds = len(audio) / 2 / RATE_HZ
        if audioop.rms(audio, 2) > LOUD_RMS:
            self._silent_s = 0.0
            self._voiced_s += seconds
            if not self._speaking and self._voiced_s >= 0.06:
                self._speaking = True
                await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
            return
        self._silent_s += seconds
        if self._speaking and self._silent_s >= SILENCE_S:
            self._speaking = False
            self._voiced_s = 0.0
            await self.push_frame(
                TranscriptionFrame("I would like to book an appointment.", "caller", time_now_iso8601(), finalized=True)
            )
            await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)


class WaitingModel(FrameProcessor):
    """Streams the same text for every context, word by word."""

    def __init__(self, waits):
        super().__init__()
        self._waits = waits
        self._running = None

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self._stop()
            self._running = self.create_task(self._answer())
            return
        if isinstance(frame, InterruptionFrame):
            await self._stop()
        await self.push_frame(frame, direction)

    async def _stop(self):
        if self._running is not None and not self._running.done():
            await self.cancel_task(self._running)
        self._running = None

    async def _answer(self):
        loop = asyncio.get_running_loop()
        await self.push_frame(LLMFullResponseStartFrame())
        due = loop.time() + self._waits["first_token_ms"] / 1000
        for word in self._waits["answer"].split(" "):
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.push_frame(LLMTextFrame(word + " "))
            due += 1 / self._waits["tokens_per_s"]
        await self.push_frame(LLMFullResponseEndFrame())


class WaitingVoice(TTSService):
    """As much tone as the text would take to say, ten times faster than it plays."""

    def __init__(self, waits):
        super().__init__(
            sample_rate=RATE_HZ,
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=0.5,
            settings=TTSSettings(model="none", voice="none", language=None),
        )
        self._waits = waits
        self._tone = bytes(8) + (b"\x00\x20\x00\x20\x00\xe0\x00\xe0" * 400)  # 0.2 s

    async def run_tts(self, text, context_id):
        loop = asyncio.get_running_loop()
        due = loop.time() + self._waits["first_audio_ms"] / 1000
        left_ms = len(text) * self._waits["ms_per_character"]
        piece = (b"\x00\x20\x00\x20\x00\xe0\x00\xe0" * 400)[: RATE_HZ * 2 // 5]
        while left_ms > 0:
            await asyncio.sleep(max(0.0, due - loop.time()))
            size = int(min(left_ms, 200)) * RATE_HZ // 1000 * 2
            yield TTSAudioRawFrame(piece[:size], RATE_HZ, 1, context_id=context_id)
            left_ms -= 200
            due += 0.02


def strategies(configuration):
    """(analyzer, strategies) for the aggregator; None: Pipecat's own defaults."""
    if configuration == "default":
        return SileroVADAnalyzer(), None
    if configuration == "silero":
        stop = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=SILENCE_S - SILERO_STOP_S)
        return SileroVADAnalyzer(), UserTurnStrategies(stop=[stop])
    return None, ExternalUserTurnStrategies()


async def hold_call(socket, stream_sid, call_sid, configuration, waits):
    serializer = TwilioFrameSerializer(
        stream_sid, call_sid=call_sid, params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
    )
    transport = FastAPIWebsocketTransport(
        websocket=socket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        ),
    )
    analyzer, turns = strategies(configuration)
    params = {"vad_analyzer": analyzer} if turns is None else {"vad_analyzer": analyzer, "user_turn_strategies": turns}
    pair = LLMContextAggregatorPair(LLMContext(), user_params=LLMUserAggregatorParams(**params))
    pipeline = Pipeline(
        [
            transport.input(),
            WaitingRecogniser(waits, decides=configuration == "external"),
            pair.user(),
            WaitingModel(waits),
            WaitingVoice(waits),
            transport.output(),
            pair.assistant(),
        ]
    )
    task = PipelineTask(pipeline, params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ))

    @transport.event_handler("on_client_connected")
    async def greet(_transport, _client):
        await task.queue_frames([TTSSpeakFrame("Hello, how can I help you?")])

    @transport.event_handler("on_client_disconnected")
    async def leave(_transport, _client):
        await task.cancel()

    await PipelineRunner(handle_sigint=False).run(task)


def application(configuration, waits):
    app = FastAPI()

    @app.websocket("/ws")
    async def media(socket: WebSocket):
        await socket.accept()
        await socket.receive_text()  # connected
        start = json.loads(await socket.receive_text())["start"]
        await hold_call(socket, start["streamSid"], start["callSid"], configuration, waits)

    return app


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--configuration", choices=("default", "silero", "external"), default="default")
    parser.add_argument("--waits", type=Path, required=True, help="JSON: what each engine takes, and the answer")
    arguments = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    waits = json.loads(arguments.waits.read_text())
    app = application(arguments.configuration, waits)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="error", loop="uvloop")


if __name__ == "__main__":
    main()
