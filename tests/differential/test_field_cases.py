"""Stores as public reports of bugs tell of them, with what the real tools did: the program beside the data judges."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from live_registry import needs
from patience import HANG

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 2


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_case_is_right(shared: Path, part: int) -> None:
    field = shared / "data" / "field"
    if not (field / "check.py").is_file():
        pytest.skip(f"no cases: {field} is not here")
    needs("docker-registry", "curl", "skopeo", "umoci")
    cases = sorted(json.loads((field / "oracle.json").read_text())["cases"])[part::PARTS]
    command = [sys.executable, field / "check.py", field, *cases]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=HANG)
    assert re.fullmatch(rf"{len(cases)} of {len(cases)} field cases right\n", done.stdout), done.stdout + done.stderr
