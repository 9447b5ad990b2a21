"""`python -m foretype` is the command `foretype`."""

import sys

from foretype.cli import main

sys.exit(main())
