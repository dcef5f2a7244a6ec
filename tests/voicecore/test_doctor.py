"""Every finding names what is wrong and what to do about it."""

import socket
from pathlib import Path

import pytest

from config.schema import PipelineSettings, ServerSettings, StageSettings, TwilioSettings
from voicecore.doctor import (
    Verdict,
    data_folder,
    database,
    engine,
    engines,
    packages,
    port,
    public_url,
    python,
    twilio,
)
from voicecore.services import operator

SID, TOKEN = "AC" + "0" * 32, "f" * 32


def test_this_python_is_good_enough() -> None:
    assert python().verdict is Verdict.OK
    assert packages().verdict in (Verdict.OK, Verdict.WARN)


@pytest.mark.parametrize(("stage", "provider"), [("vad", "webrtc"), ("tts", "espeak"), ("tts", "simulated")])
async def test_engines_are_really_started(stage: str, provider: str) -> None:
    finding = await engine(stage, StageSettings(provider=provider), Verdict.FAIL)
    assert (finding.check, finding.verdict) == (f"{stage}/{provider}", Verdict.OK), finding
    assert "ms with its start" in finding.text


async def test_an_engine_that_is_not_there_is_named_with_the_next_step() -> None:
    finding = await engine("stt", StageSettings(provider="no-such-thing"), Verdict.FAIL)
    assert finding.verdict is Verdict.FAIL
    assert "no-such-thing" in finding.text
    assert finding.advice


async def test_missing_weights_are_named_with_the_command_that_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    whisper = StageSettings(provider="faster-whisper", options={"model": "base"})
    finding = await engine("stt", whisper, Verdict.FAIL)
    assert (finding.verdict, finding.advice) == (Verdict.FAIL, "hf download Systran/faster-whisper-base")


async def test_a_broken_fallback_only_warns() -> None:
    good, bad = StageSettings(provider="simulated"), StageSettings(provider="nobody")
    vad = StageSettings(provider="webrtc", fallback=(bad,))
    pipelines = {"mine": PipelineSettings(vad=vad, stt=good, llm=good, tts=good)}
    found = [finding async for finding in engines(ServerSettings(pipeline="mine", pipelines=pipelines))]
    assert [finding.verdict for finding in found] == [
        Verdict.OK,
        Verdict.WARN,
        Verdict.OK,
        Verdict.OK,
        Verdict.OK,
    ], found


async def test_an_unknown_pipeline_fails() -> None:
    (finding,) = [finding async for finding in engines(ServerSettings(pipeline="yours"))]
    assert finding.verdict is Verdict.FAIL


def test_the_data_folder_is_made_and_written_to(tmp_path: Path) -> None:
    assert data_folder(ServerSettings(data=str(tmp_path / "a" / "b"))).verdict is Verdict.OK
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("")
    assert data_folder(ServerSettings(data=str(tmp_path / "file"))).verdict is Verdict.FAIL


async def test_the_database_is_opened(tmp_path: Path) -> None:
    settings = ServerSettings(data=str(tmp_path))
    assert "first start" in (await database(settings)).text
    async with operator.opened(settings, create=True):
        pass
    assert (await database(settings)).verdict is Verdict.OK
    (tmp_path / operator.DATABASE_FILE).write_text("this is no database")
    broken = await database(settings)
    assert broken.verdict is Verdict.FAIL
    assert "not a database" in broken.text


def test_a_port_in_use_is_seen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        assert port(ServerSettings(port=busy)).verdict is Verdict.WARN
    assert port(ServerSettings(port=0)).verdict is Verdict.OK
    assert port(ServerSettings(host="host.invalid")).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("sid", "token", "verdict"),
    [
        ("", "", Verdict.WARN),
        (SID, TOKEN, Verdict.OK),
        (SID, "", Verdict.FAIL),
        ("", TOKEN, Verdict.FAIL),
        ("SK" + "0" * 32, TOKEN, Verdict.FAIL),
        (SID, TOKEN + " ", Verdict.FAIL),
    ],
)
def test_credentials_are_checked_for_their_shape_and_not_shown(sid: str, token: str, verdict: Verdict) -> None:
    finding = twilio(ServerSettings(twilio=TwilioSettings(account_sid=sid, auth_token=token)))
    assert finding.verdict is verdict
    assert TOKEN not in finding.text


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("", Verdict.WARN),
        ("https://voice.example.com", Verdict.OK),
        ("https://voice.example.com/", Verdict.OK),
        ("http://voice.example.com", Verdict.FAIL),
        ("voice.example.com", Verdict.FAIL),
        ("https://voice.example.com/path", Verdict.FAIL),
    ],
)
def test_the_public_address_must_be_https_and_bare(url: str, verdict: Verdict) -> None:
    assert public_url(ServerSettings(public_url=url)).verdict is verdict
