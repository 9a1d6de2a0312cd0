"""``python -m neuralgnn.cli``, the same as the command ``neuralgnn``."""

import sys

from neuralgnn.cli.main import main

sys.exit(main())
