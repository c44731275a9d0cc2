"""Random damage to stores and saved snapshots of every kind: each ends in an answer or a clear error.

A few runs of each kind; `BLOBKIT_FUZZ=4000 pytest tests/torture/test_fuzz.py` does so many of each, and
`BLOBKIT_FUZZ_FIRST` is the first seed.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from patience import HANG

KINDS = ("oci", "registry", "go-blobstore", "snapshot", "parquet")
COUNT = int(os.environ.get("BLOBKIT_FUZZ", "12"))
FIRST = int(os.environ.get("BLOBKIT_FUZZ_FIRST", "0"))
MOST = 600 << 20
"""Bytes: all the inputs are small, so that a process never needs more."""

Outcome = dict[str, object]


def outcomes() -> dict[str, list[Outcome]]:
    """What each run ended with, by kind; a run that hangs or takes the process down fails by its kind and seed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = Path(__file__).with_name("fuzzing.py")
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, str(script), str(FIRST), str(COUNT), *KINDS]
    begun, found = None, dict[str, list[Outcome]]()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while True:
            if not select.select([child.stdout], [], [], HANG)[0]:
                child.kill()
                pytest.fail(f"{begun} hangs")
            line = child.stdout.readline()
            if not line:
                break
            said = json.loads(line)
            begun = said.get("begun", begun)
            if "outcome" in said:
                found.setdefault(said["kind"], []).append(said)
        trouble = child.stderr.read()
    assert child.returncode == 0, f"{begun} took the process down: {trouble}"
    return found


@pytest.mark.slow
def test_damage_ends_in_an_answer_or_a_clear_error() -> None:
    found = outcomes()
    assert list(found) == list(KINDS)
    for kind, some in found.items():
        tally = Counter(str(outcome["outcome"]) for outcome in some)
        peak = max(int(str(outcome["peak"])) for outcome in some)
        print(kind, FIRST, dict(tally), f"peak {peak >> 20} MiB")  # noqa: T201 (the figures of a long run)
        failed = [outcome for outcome in some if outcome["outcome"] == "failed"]
        assert not failed, "\n".join(f"{kind} {outcome['seed']}: {outcome['why']}" for outcome in failed[:5])
        assert len(some) == COUNT
        assert tally["answered"], "damage that leaves nothing to answer tests little"
        assert peak < MOST
