"""Ask the program that keeps credentials: `docker-credential-NAME get`, with the name of the registry on its input.

https://github.com/docker/docker-credential-helpers: it answers with JSON, or with an exit status that is not 0.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.render import printable, truncate
from blobkit.sources.web.credential import from_helper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.sources.web.credential import Credential

__all__ = ["ask_helper"]

SECONDS = 60.0
"""Seconds that a helper may take: one may ask a person to unlock something."""
SHOWN = 40
NONE_THERE = b"credentials not found"
"""Words of a helper that has nothing to say about a registry."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def ask_helper(name: str, registry: str, environ: Mapping[str, str]) -> Credential | str:
    """Return the credential that a helper keeps for a registry; else, in a few words, why there is none.

    A name that could be a path is not run: the file that has it may come from elsewhere.
    """
    if not _NAME.fullmatch(name):
        return f"the helper {truncate(printable(name), SHOWN)!r} has an impossible name"
    program = f"docker-credential-{name}"
    path = shutil.which(program, path=environ.get("PATH"))
    return _run(program, path, registry, environ) if path else f"{program} is not installed"


def _run(program: str, path: str, registry: str, environ: Mapping[str, str]) -> Credential | str:
    try:
        done = subprocess.run(  # noqa: S603 (the user's own configuration names it)
            [path, "get"], input=registry.encode(), capture_output=True, timeout=SECONDS, check=False, env=dict(environ)
        )
        if done.returncode:
            return f"{program} has none" if NONE_THERE in done.stdout + done.stderr else f"{program} failed"
        return from_helper(parse_json(done.stdout, frozenset())) or f"{program} has none"
    except DocumentError:
        return f"{program} gives no JSON"
    except subprocess.TimeoutExpired:
        return f"{program} does not answer"
    except OSError:
        return f"{program} cannot be run"
