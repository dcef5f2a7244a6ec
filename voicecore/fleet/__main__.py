"""The process of one member: `python -m voicecore.fleet FD`."""

import sys

from voicecore import compiled

if __name__ == "__main__":
    compiled.prefer()
    from voicecore.fleet.member import main  # only now: it imports what was compiled

    sys.exit(main())
