"""The format of dialogues from outside: what is written is read back, and what is wrong is refused by name."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.turns.dialogue import DialogueError, load, load_folder, save
from benchmarks.turns.render import half, load_scripts, render

LABELS: dict[str, Any] = {
    "version": 1,
    "audio": "a.wav",
    "language": "en",
    "turns": [
        {"speech": [{"start_s": 1.0, "end_s": 2.0}, {"start_s": 2.5, "end_s": 3.0}], "text": "hello there"},
        {"speech": [{"start_s": 6.0, "end_s": 7.0}]},
    ],
    "overlaps": [{"kind": "tic", "start_s": 4.0, "end_s": 4.3}],
    "agent": [{"start_s": 3.6, "end_s": 5.5}],
}


def write(folder: Path, labels: dict[str, Any], *, channels: int = 1, rate: int = 8000, width: int = 2) -> Path:
    with wave.open(str(folder / "a.wav"), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        frames = np.arange(8 * rate * channels) % 100
        sound.writeframes(frames.astype("<i2" if width == 2 else np.uint8).tobytes())
    file = folder / "a.json"
    file.write_text(json.dumps(labels))
    return file


def changed(path: list[str | int], value: Any) -> dict[str, Any]:
    labels: dict[str, Any] = json.loads(json.dumps(LABELS))
    place: Any = labels
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return labels


def test_our_own_dialogues_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    scripts = half("dev")
    few = [text for text in scripts.dialogues if text.id in ("checkup", "termin")]
    espeak = {language: tuple(v for v in voices if "espeak" in v) for language, voices in scripts.voices.items()}
    dialogues = render(type(scripts)(espeak, scripts.noises, scripts.babble, tuple(few)), quick=True)
    for dialogue in dialogues:
        save(dialogue, tmp_path)
    again = {dialogue.name: dialogue for dialogue in load_folder(tmp_path)}
    assert len(again) == len(dialogues) == 4
    for dialogue in dialogues:
        assert again[dialogue.name].labels == dialogue.labels
        assert (again[dialogue.name].audio == dialogue.audio).all()


@pytest.mark.parametrize(("channels", "rate"), [(1, 8000), (2, 8000), (1, 16000), (2, 44100)])
def test_any_rate_and_the_left_of_two_channels(tmp_path: Path, channels: int, rate: int) -> None:
    dialogue = load(write(tmp_path, LABELS, channels=channels, rate=rate))
    assert len(dialogue.audio) == pytest.approx(8 * 8000, abs=2)
    assert dialogue.labels.turns[0].end_s == 3.0
    assert dialogue.condition == "clean"


@pytest.mark.parametrize(
    ("labels", "field", "reason"),
    [
        (changed(["version"], 2), "version", "Invalid enum value 2"),
        (changed(["turns"], []), "turns", "length"),
        (changed(["turns", 0, "speech"], []), "turns[0].speech", "length"),
        (changed(["turns", 0, "speech", 0, "start_s"], "x"), "turns[0].speech[0].start_s", "Expected `float`"),
        (changed(["turns", 0, "speech", 0, "end_s"], 0.5), "turns[0].speech[0].end_s", "after start_s"),
        (changed(["turns", 0, "speech", 1, "start_s"], 1.5), "turns[0].speech[1].start_s", "before the end"),
        (changed(["turns", 1, "speech", 0, "end_s"], 9.0), "turns[1].speech[0].end_s", "beyond the end of the audio"),
        (changed(["turns", 0, "words"], [{"text": "x", "start_s": 0.2, "end_s": 1.1}]), "turns[0].words[0]", "inside"),
        (changed(["overlaps", 0, "kind"], "cough"), "overlaps[0].kind", "Invalid enum value"),
        (changed(["overlaps", 0, "start_s"], 2.9), "overlaps[0]", "overlaps turns[0]"),
        (changed(["agent", 0, "end_s"], 1.0), "agent[0].end_s", "after start_s"),
        (changed(["audio"], "../a.wav"), "audio", "same folder"),
        (changed(["audio"], "b.wav"), "audio", "No such file"),
        (changed(["speaker"], "x"), "$", "unknown field `speaker`"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_and_field(
    tmp_path: Path, labels: dict[str, Any], field: str, reason: str
) -> None:
    file = write(tmp_path, labels)
    with pytest.raises(DialogueError, match=reason.replace("[", r"\[")) as caught:
        load(file)
    assert caught.value.field == field
    assert caught.value.file == file
    assert str(file) in caught.value.message


def test_audio_that_is_no_16_bit_pcm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DialogueError, match="16-bit PCM"):
        load(write(tmp_path, LABELS, width=1))
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(DialogueError, match="audio"):
        load(tmp_path / "a.json")


def test_an_empty_folder_and_broken_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DialogueError, match="no label file"):
        load_folder(tmp_path)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(DialogueError, match=r"x\.json"):
        load_folder(tmp_path)


def test_scripts_from_outside_are_checked_too(tmp_path: Path) -> None:
    file = tmp_path / "scripts.yaml"
    head = "voices: {en: [espeak/en]}\nnoises: [white]\nbabble: [talk]\ndialogues: "
    exchange = "{say: hello, agent: Hi.}"
    for rest, field in (
        ("[{id: a}]", "dialogues[0]"),
        ("[]", "dialogues"),
        (f"[{{id: a, language: xx, greeting: Hi, exchanges: [{exchange}]}}]", "dialogues[0].language"),
    ):
        file.write_text(head + rest)
        with pytest.raises(DialogueError) as caught:
            load_scripts(file)
        assert caught.value.field == field
    file.write_text(f"{head}[{{id: a, language: en, greeting: Hi, exchanges: [{exchange}]}}]")
    assert load_scripts(file).dialogues[0].exchanges[0].say == "hello"
