"""Finds a Whisper model on this machine and loads it. It fetches none: it says what is missing, and the command."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from pipelines.errors import EngineMissing, Remedy
from pipelines.whisper.options import NAME, FasterWhisperOptions

FILES = ("model.bin", "config.json", "tokenizer.json")
COMPUTE_TYPES = {"cpu": "int8", "cuda": "float16"}  # unless one is asked for


def load(options: FasterWhisperOptions) -> Any:
    """A `faster_whisper.WhisperModel`. Takes seconds: not for an event loop. Raises EngineMissing."""
    try:
        package = importlib.import_module("faster_whisper")
        ctranslate2 = importlib.import_module("ctranslate2")
    except ImportError as error:
        raise missing(f"package missing ({error.name}): pip install 'voicecore[whisper]'") from error
    directory = _directory(options.model, package)
    absent = [name for name in FILES if not (directory / name).is_file()]
    if absent:
        raise missing(f"{directory} is no CTranslate2 Whisper model: it lacks {', '.join(absent)}; {_advice('small')}")
    device = options.device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    try:
        return package.WhisperModel(
            str(directory),
            device=device,
            device_index=options.device_index,
            compute_type=options.compute_type or COMPUTE_TYPES[device],
            cpu_threads=options.cpu_threads,
        )
    except (RuntimeError, ValueError, OSError) as error:  # what CTranslate2 raises: no GPU, no memory, wrong files
        raise missing(f"{directory} cannot be loaded on {device}: {error}") from error


def _directory(model: str, package: Any) -> Path:
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model.startswith(("/", ".", "~")) or model.count("/") > 1:
        raise missing(f"no directory {model} (option `model`); {_advice('small')}")
    hub_errors = importlib.import_module("huggingface_hub.errors")
    try:
        return Path(package.download_model(model, local_files_only=True))
    except (hub_errors.LocalEntryNotFoundError, hub_errors.HfHubHTTPError) as error:
        raise missing(f'no weights of "{model}" on this machine; {_advice(model)}') from error
    except ValueError as error:
        known = ", ".join(package.available_models())
        raise missing(f'option `model` is "{model}": neither a directory nor one of {known}') from error


def _advice(model: str) -> str:
    repository = model if "/" in model else f"Systran/faster-whisper-{model}"
    if "turbo" in model:
        repository = "mobiuslabsgmbh/faster-whisper-large-v3-turbo"
    return (
        f"fetch them once with: hf download {repository} "
        "(or copy a directory with model.bin, config.json, tokenizer.json and vocabulary.* here and set the option "
        "`model` to its path)"
    )


def missing(reason: str) -> EngineMissing:
    return EngineMissing(reason, stage="stt", provider=NAME, remedy=Remedy.SWITCH)
