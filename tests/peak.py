"""What scanning takes at its peak: `python peak.py address...` prints a JSON list of (outcome, peak in bytes so far).

A process of its own. The peak that the system keeps for a process starts with that of the process that forked it, so
`peaks` puts a small shell between.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import blobkit
from blobkit.errors import BlobkitError

if TYPE_CHECKING:
    from pathlib import Path


def peaks(*addresses: Path) -> list[tuple[str, int]]:
    """What scanning each of these in turn ends with, and the peak so far."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, __file__, *map(str, addresses)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return [tuple(found) for found in json.loads(done.stdout)]


def outcome(address: str) -> str:
    try:
        snapshot = blobkit.scan(address, progress=False)
    except BlobkitError as error:
        return str(error)
    return f"{snapshot.nodes.num_rows} nodes, {snapshot.notices.num_rows} notices"


if __name__ == "__main__":
    found = []
    for one in sys.argv[1:]:
        said = outcome(one)
        found.append((said, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
    print(json.dumps(found))  # noqa: T201 (a script)
