"""Logins of a registry by password (Basic)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcrypt

from remote_servers.secrets import SECRET, USER

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["htpasswd"]


def htpasswd(root: Path) -> dict[str, object]:
    """Return the section `auth` of a registry that lets USER in with SECRET, whose file of passwords is in `root`."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / "htpasswd"
    path.write_bytes(f"{USER}:".encode() + bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)) + b"\n")
    return {"htpasswd": {"realm": "basic-realm", "path": str(path)}}
