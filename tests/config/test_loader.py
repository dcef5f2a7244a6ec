"""Every layer goes over the one before it, and every refusal says where and why."""

from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigError
from config.loader import load, load_struct, pipeline, pipeline_names
from config.schema import AgentSettings, ServerSettings

PIPELINE = """
pipelines:
  mine:
    vad: {provider: energy}
    stt: {provider: pocketsphinx, options: {workers: 2}}
    llm: {provider: openai, options: {api_key: hunter2}}
    tts: {provider: espeak, fallback: [{provider: flite}]}
"""


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "server.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(**arguments: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(**arguments)
    return caught.value


def test_nothing_given_is_the_defaults() -> None:
    assert load() == load(environ={}, overrides={"port": None}) == ServerSettings()


def test_file_then_environment_then_command_line(tmp_path: Path) -> None:
    file = write(tmp_path, "port: 1\nhost: a\npublic_url: https://x\nmedia: {ahead_ms: 100, max_message_bytes: 7}\n")
    environ = {
        "VOICECORE_PORT": "2",
        "VOICECORE_HOST": "b",
        "VOICECORE_MEDIA__AHEAD_MS": "120",
        "PATH": "/bin",
    }
    settings = load(file=file, environ=environ, overrides={"port": 3, "data": None})
    assert (settings.port, settings.host, settings.public_url, settings.data) == (3, "b", "https://x", "data")
    assert (settings.media.ahead_ms, settings.media.max_message_bytes) == (120, 7)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load(file=write(tmp_path, "# nothing\n")) == ServerSettings()


def test_values_of_the_environment_have_the_setting_s_type() -> None:
    stages = ("vad", "stt", "llm", "tts")
    environ = {
        "VOICECORE_HOST": "0",  # a string, though it looks like a number
        "VOICECORE_MEDIA__IDLE_TIMEOUT_S": "2.5",
        "VOICECORE_PIPELINES": "{p: {" + ", ".join(f"{stage}: {{provider: d}}" for stage in stages) + "}}",
        "VOICECORE_LOG_LEVEL": "debug",
    }
    settings = load(environ=environ)
    assert settings.host == "0"
    assert settings.media.idle_timeout_s == 2.5
    assert settings.pipelines["p"].tts.provider == "d"


def test_an_option_inside_a_pipeline_can_come_from_the_environment(tmp_path: Path) -> None:
    environ = {"VOICECORE_PIPELINES__MINE__STT__OPTIONS__WORKERS": "4"}
    settings = load(file=write(tmp_path, PIPELINE), environ=environ)
    assert settings.pipelines["mine"].stt.options == {"workers": 4}
    assert settings.pipelines["mine"].tts.fallback[0].provider == "flite"


def test_a_secret_can_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("hunter2\n")
    settings = load(environ={"VOICECORE_TWILIO__AUTH_TOKEN_FILE": str(secret)})
    assert settings.twilio.auth_token == "hunter2"


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    error = refusal(environ={"VOICECORE_TWILIO__AUTH_TOKEN": "a", "VOICECORE_TWILIO__AUTH_TOKEN_FILE": "b"})
    assert error.source == "VOICECORE_TWILIO__AUTH_TOKEN_FILE"
    assert "VOICECORE_TWILIO__AUTH_TOKEN" in error.reason


def test_a_secret_s_file_must_be_readable(tmp_path: Path) -> None:
    error = refusal(environ={"VOICECORE_TWILIO__AUTH_TOKEN_FILE": str(tmp_path / "missing")})
    assert "No such file" in error.reason


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("prot: 1", "prot", "no such setting"),
        ("media: {ahead: 1}", "media.ahead", "no such setting"),
        ("port: '8080'", "port", "expected `int`, got `str`"),
        ("port: 70000", "port", "expected `int` <= 65535"),
        ("media: {ahead_ms: 10}", "media.ahead_ms", "expected `int` >= 100"),
        (
            PIPELINE.replace("options: {workers: 2}", "option: 1"),
            "pipelines.mine.stt.option",
            "no such setting",
        ),
        ("media: 7", "media", "expected `object`, got `int`"),
        ("log_level: loud", "log_level", "invalid enum value 'loud'"),
        ("pipelines: {p: {vad: {provider: a}}}", "pipelines.p", "object missing required field `stt`"),
        ("- a\n- b", "", "a mapping is expected, not a list"),
        ("port: 1\nport: 2", "", 'line 2, column 1: "port" stands twice'),
        ("port: [1", "", "line 1, column 9: expected ',' or ']', but got '<stream end>'"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_reason(tmp_path: Path, text: str, key: str, reason: str) -> None:
    file = write(tmp_path, text)
    error = refusal(file=file)
    assert (error.source, error.key) == (str(file), key)
    assert error.reason.startswith(reason)
    assert str(error).startswith(f"{file}: ")


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"\xff\xfe\x00\x01")
    assert refusal(file=file).source == str(file)
    assert "No such file" in refusal(file=tmp_path / "missing.yaml").reason
    assert refusal(file=tmp_path).source == str(tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("VOICECORE_PROT", "1", "no such setting; did you mean VOICECORE_PORT?"),
        ("VOICECORE_MEDIA__AHEADMS", "1", "no such setting; did you mean VOICECORE_MEDIA__AHEAD_MS?"),
        ("VOICECORE_PORT__X", "1", "no such setting"),
        ("VOICECORE_PORT", "eighty", "expected `int`, got `str`"),
        ("VOICECORE_PORT", "", "expected `int`, got `null`"),
        ("VOICECORE_PORT", "-1", "expected `int` >= 0"),
        ("VOICECORE_MEDIA__AHEAD_MS", "9999", "expected `int` <= 300"),
        ("VOICECORE_MEDIA", "{ahead: 1}", "object contains unknown field `ahead`"),
        ("VOICECORE_PORT", "[1", "cannot be read as a value"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(variable: str, value: str, reason: str) -> None:
    error = refusal(environ={variable: value})
    assert error.source == variable
    assert error.reason.startswith(reason)


def test_a_wrong_option_is_refused_by_its_name() -> None:
    error = refusal(overrides={"port": 99999})
    assert (error.source, error.key) == ("--port", "port")


def test_variables_of_the_command_line_are_not_settings() -> None:
    assert load(environ={"VOICECORE_CONFIG": "x", "VOICECORE_TOKEN": "y"}) == ServerSettings()


def test_secrets_show_neither_in_reprs_nor_in_refusals(tmp_path: Path) -> None:
    environ = {
        "VOICECORE_TWILIO__AUTH_TOKEN": "hunter2",
        "VOICECORE_DATABASE_URL": "postgresql://a:hunter2@b/c",
    }
    settings = load(file=write(tmp_path, PIPELINE), environ=environ)
    assert settings.twilio.auth_token == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "***" in repr(settings)
    for text in ("twilio: {auth_token: [hunter2]}", "twilio: {auth_token: hunter2", "twilio: hunter2"):
        error = refusal(file=write(tmp_path, text))
        assert "hunter2" not in f"{error} {error!r} {error.__cause__}"


def test_a_pipeline_of_the_settings_goes_before_a_shipped_one(tmp_path: Path) -> None:
    settings = load(file=write(tmp_path, PIPELINE))
    assert pipeline("mine", settings).stt.provider == "pocketsphinx"
    assert "mine" in pipeline_names(settings)
    assert "mine" not in pipeline_names()


def test_an_unknown_pipeline_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mine"):
        pipeline("yours", load(file=write(tmp_path, PIPELINE)))


def test_every_shipped_pipeline_is_well_formed() -> None:
    assert {"embedded", "simulated"} <= set(pipeline_names())
    for name in pipeline_names():
        stages = pipeline(name)
        assert all(stage.provider for stage in (stages.vad, stages.stt, stages.llm, stages.tts))


def test_a_settings_block_can_be_read_alone(tmp_path: Path) -> None:
    file = write(tmp_path, "greeting: hello\nturn: {base_wait_ms: 300}\n")
    assert load_struct(file, AgentSettings).turn.base_wait_ms == 300
    with pytest.raises(ConfigError, match=r"turn\.base_wait_ms"):
        load_struct(write(tmp_path, "turn: {base_wait_ms: 3}"), AgentSettings)
