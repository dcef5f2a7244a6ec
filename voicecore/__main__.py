"""`python -m voicecore` is the command `voicecore`."""

import sys

from voicecore.cli import main

if __name__ == "__main__":
    sys.exit(main())
