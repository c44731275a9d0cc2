"""The real `docker-registry garbage-collect --dry-run` on a registry in a bucket."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from live_registry import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from remote_servers.buckets import BucketServer

_ELIGIBLE = re.compile(r"^blob eligible for deletion: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class DryRun:
    """The exit code of the collector, its last words, and the blobs that it would remove."""

    code: int
    said: str
    eligible: frozenset[str]


def dry_run(server: BucketServer, bucket: str, root: str, directory: Path, *, untagged: bool = False) -> DryRun:
    """Run the collector on the registry with this root directory in a bucket; `untagged`: with -m."""
    config = directory / "collected.yml"
    storage = server.driver(bucket, root)
    config.write_text(json.dumps({"version": "0.1", "log": {"level": "error"}, "storage": storage}))
    command = [PROGRAM, "garbage-collect", "--dry-run", *(["-m"] if untagged else []), str(config)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=kept)
    said = (ran.stderr or ran.stdout).strip().rpartition("\n")[2]
    return DryRun(ran.returncode, said, frozenset(_ELIGIBLE.findall(ran.stdout)))
