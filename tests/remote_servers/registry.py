"""A real registry (Debian's docker-registry, distribution 2.8.2) that serves a directory."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from remote_servers.processes import HOST, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Section = Mapping[str, object]

__all__ = ["registry"]

NO_PURGING = {"uploadpurging": {"enabled": False}}


@contextmanager
def registry(
    root: Path,
    *,
    storage: Path | None = None,
    auth: Section | None = None,
    tls: Section | None = None,
    driver: Section | None = None,
) -> Iterator[str]:
    """Run a registry whose configuration and log are in `root`, and its content in `storage`. Yield its URL.

    `auth` and `tls` are sections of its configuration: see `tokens.py`, `passwords.py`, `authority.py`.
    `driver={"s3": {...}}` stores the content in a bucket instead.
    """
    root.mkdir(parents=True, exist_ok=True)
    port = free_port()
    files = {"filesystem": {"rootdirectory": str(storage or root / "storage"), "maxthreads": 100}}
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {**(driver or files), "delete": {"enabled": True}, "maintenance": NO_PURGING},
        "http": {"addr": f"{HOST}:{port}", **({"tls": tls} if tls else {})},
        **({"auth": auth} if auth else {}),
    }
    config = root / "config.yml"
    config.write_text(json.dumps(settings))  # all JSON is YAML
    with serving(["docker-registry", "serve", str(config)], port, root / "registry.log"):
        yield f"{'https' if tls else 'http'}://{HOST}:{port}"
