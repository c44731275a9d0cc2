"""How often random tests try: `BLOBKIT_TORTURE=10 pytest -m slow` tries ten times as often."""

from __future__ import annotations

import os

TORTURE = int(os.environ.get("BLOBKIT_TORTURE", "1"))
