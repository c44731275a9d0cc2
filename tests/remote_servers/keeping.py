"""Keep credentials as `docker login` and `podman login` keep them, in a home of a test's own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from remote_servers.secrets import PAIR

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Home"]


class Home:
    """A home directory, and the environment of a user who lives there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.programs = root / "bin"
        self.programs.mkdir(parents=True)
        self.environ = {"HOME": str(root), "PATH": f"{self.programs}:{os.environ['PATH']}"}
        self.environ["XDG_RUNTIME_DIR"] = str(root / "run")

    def docker(self, **config: object) -> Path:
        """Write the configuration of docker."""
        return self.write(self.root / ".docker/config.json", config)

    def podman(self, **config: object) -> Path:
        """Write the file of credentials of podman."""
        return self.write(self.root / "run/containers/auth.json", config)

    def write(self, path: Path, config: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config))
        return path

    def login(self, host: str) -> None:
        """Keep user and password for a host in the configuration of docker."""
        self.docker(auths={host: {"auth": PAIR}})

    def helper(self, name: str, **answers: dict[str, str]) -> Path:
        """Install a helper that knows the credentials for some hosts; it notes each question in `<name>.asked`.

        The keys of `answers` are hosts, with `_` for each character that is no letter and no digit.
        """
        path = self.programs / f"docker-credential-{name}"
        known = "".join(f"  {host}) echo '{json.dumps(answer)}';;\n" for host, answer in answers.items())
        path.write_text(
            f'#!/bin/sh\nhost=$(cat)\necho "$1 $host" >> {self.root}/{name}.asked\n'
            f'case $(printf %s "$host" | tr -c a-zA-Z0-9 _) in\n{known}'
            "  *) echo 'credentials not found in native keychain'; exit 1;;\nesac\n"
        )
        path.chmod(0o755)
        return path

    def asked(self, name: str) -> list[str]:
        """Return the questions that a helper was asked."""
        path = self.root / f"{name}.asked"
        return path.read_text().splitlines() if path.exists() else []
