"""The shelf's modules are imported as its worker imports them: from its own folder."""

import sys
from pathlib import Path

SHELF = Path(__file__).parents[2] / "examples" / "shelf"

sys.path.insert(0, str(SHELF))
