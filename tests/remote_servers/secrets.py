"""The user that test servers let in, and secrets that must not be shown anywhere."""

from __future__ import annotations

import base64

__all__ = ["IDENTITY", "PAIR", "SECRET", "USER", "spellings"]

USER = "auditor"
SECRET = "s3cr3t-for-tests"  # noqa: S105 (servers on loopback only)
IDENTITY = "identity-t0ken-for-tests"
"""An identity token: a token server exchanges it for others."""
PAIR = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()


def spellings() -> tuple[str, ...]:
    """Return all forms of the secrets that a text may show."""
    return (SECRET, IDENTITY, PAIR, base64.b64encode(SECRET.encode()).decode())
