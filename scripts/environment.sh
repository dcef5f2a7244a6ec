# Sourced by the other scripts: makes .venv and installs exactly what requirements.lock pins, once.
#
# Nothing of the surroundings counts: no active environment, no PYTHONPATH. The stamp is written last and is keyed
# by lock, pyproject, place and Python; an environment whose installation was interrupted is made anew.
#
# To change dependencies: edit pyproject.toml, then write the lock anew with
#   .venv/bin/python -m pip install uv
#   .venv/bin/uv pip compile --universal --python-version 3.11 --all-extras --generate-hashes \
#     --no-emit-index-url --no-header -o requirements.lock pyproject.toml

unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
python="$root/.venv/bin/python"
stamp="$root/.venv/installed-from"
unfinished="$root/.venv/installing"

find_python() { # the newest python3 on the path that is new enough
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v -- "$candidate"
      return
    fi
  done
  echo "Python 3.11 or newer is needed. Install one, or name it: PYTHON=/path/to/python3.11 $0" >&2
  return 1
}

fingerprint() { # what the installation depends on
  "$python" -c '
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
parts = [(root / name).read_bytes() for name in ("requirements.lock", "pyproject.toml")]
print(hashlib.sha256(b"\0".join([*parts, sys.argv[1].encode(), sys.version.encode()])).hexdigest())
' "$root"
}

ensure_environment() {
  if [ -e "$unfinished" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || ! "$python" -m pip --version >/dev/null 2>&1; then
    local base
    base="$(find_python)"
    echo "Making .venv with $("$base" --version) …" >&2
    if ! "$base" -m venv --clear "$root/.venv"; then
      echo "Python's venv module is missing: on Debian and Ubuntu, apt install python3-venv" >&2
      return 1
    fi
  fi
  local wanted
  wanted="$(fingerprint)"
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "Installing what requirements.lock pins …" >&2
    rm -f -- "$stamp"
    : >"$unfinished"
    "$python" -m pip install -qq --disable-pip-version-check --require-hashes -r "$root/requirements.lock" >&2
    "$python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e "$root" >&2
    "$python" -m compileall -q "$root/config" "$root/pipelines" "$root/voicecore" # else the first start would
    if command -v "${CC:-cc}" >/dev/null; then
      echo "Compiling what every frame of audio passes through …" >&2
      "$python" -m voicecore compile >/dev/null || echo "It works without, with fewer calls a core." >&2
    fi
    rm -f -- "$unfinished"
    printf '%s\n' "$wanted" >"$stamp"
  fi
}
