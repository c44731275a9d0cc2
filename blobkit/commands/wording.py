"""The words of the shell for what the library says in the words of Python."""

from __future__ import annotations

import re

__all__ = ["in_shell"]

_SAID = (
    (r"use simulate_deref\(x, \*why\(x, '([^']*)'\)\.tags\)", r"blobkit why ADDRESS \1 shows what holds it: drop that"),
    (r"use why\(x, '([^']*)'\)\.preview\(\)", r"blobkit why ADDRESS \1 shows what holds it"),
    (r"groups=\(repository,\)", "--group REPOSITORY"),
    (r"groups=\('([^']*)',\)", r"--group \1"),
    (r"or all_pins=True", "or --all-pins"),
    (r"give untagged=True with it, or keep=\[\.\.\.\] without", "give --untagged with --group, or --keep without"),
    (r"see store\.tags\(\)", "see blobkit tags"),
    (
        r'give free="20GiB", until="500GiB", or a rule \(older_than="30d", keep_last=3\)',
        "give --free 20GiB, --until 500GiB, or a rule (--older-than 30d, --keep-last 3)",
    ),
    (r"\bfree and until are two goals", "--free and --until are two goals"),
)


def in_shell(message: str) -> str:
    """Return the message of an error with options and commands in place of arguments and calls of Python."""
    for said, shell in _SAID:
        message = re.sub(said, shell, message)
    return message
