"""Commands to type in a shell: for each finding of an audit the one that shows more, or ends it."""

from __future__ import annotations

import shlex
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.questions.garbage import can_collect
from blobkit.questions.inputs.keys import is_key
from blobkit.render import abbreviate, in_shell

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.questions.findings.finding import Finding
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Shell"]

NAME_TYPED = 256
"""The longest name in a command."""


@dataclass(frozen=True, eq=False)
class Shell:
    """Commands about a snapshot; `address` is what a user types for its store."""

    snapshot: Snapshot
    address: str

    def command(self, name: str, *words: str, policy: bool = True) -> str:
        """Return a command with the address and these words; with the policy, if it is not the default one."""
        policies = self.snapshot.policies
        rule = ["--policy", self.snapshot.policy] if policy and self.snapshot.policy != policies[0] else []
        return " ".join(["blobkit", name, in_shell(self.address), *map(shlex.quote, [*words, *rule])])

    def script_option(self) -> tuple[str, ...]:
        """Return the option that prints a script for the default tool of the store; empty if no tool fits."""
        tools = self.snapshot.store.tools
        return ("--script", tools[0]) if tools else ()

    def dropping(self, tag: str = "", *, group: str = "") -> str:
        """Return the command that previews dropping a tag or a repository; "" if its name cannot be typed."""
        name = tag or group
        if not name.isprintable() or not 0 < len(name) <= NAME_TYPED:
            return ""
        if group:
            return self.command("simulate", f"--group={group}")
        return self.command("simulate", f"tag:{tag}" if tag.startswith("-") else tag)

    def about(self, finding: Finding) -> str:
        """Return the command for a finding."""
        return _COMMANDS.get(finding.code, _listed)(self, finding) or _listed(self, finding)


def _listed(shell: Shell, _: Finding) -> str:
    """Return the command that lists all findings with all of their blobs and names."""
    return shell.command("audit", "--json")


def _why(shell: Shell, finding: Finding) -> str:
    """Return the command that shows what needs the first blob."""
    keys = (shell.snapshot.key(int(node)) for node in finding.nodes[:1])
    return next((shell.command("why", _short(shell.snapshot, key)) for key in keys if is_key(shell.snapshot, key)), "")


def _short(snapshot: Snapshot, digest: str) -> str:
    """Return the first digits of a digest, as many as answers show; the whole digest if another one starts so."""
    start, keys = abbreviate(digest), snapshot.nodes["key"]
    number = bisect_right(keys, f"{start}g", key=str) - bisect_left(keys, start, key=str)
    return start if number == 1 else digest


def _dropped(shell: Shell, finding: Finding) -> str:
    """Return the command that shows what dropping the first tag frees."""
    return shell.dropping(next(iter(finding.names), ""))


def _collected(shell: Shell, _: Finding) -> str:
    """Return the command that prints the script of the collector, or one that lists the garbage."""
    snapshot = shell.snapshot
    if snapshot.store.revisions and snapshot.rule.by_name:
        return shell.command("untagged", *shell.script_option(), policy=False)
    if can_collect(snapshot):
        return shell.command("audit", *shell.script_option())
    return shell.command("ls", "--status", "garbage")


def _compared(shell: Shell, _: Finding) -> str:
    """Return the command that compares a collector with the references."""
    snapshot, store = shell.snapshot, shell.snapshot.store
    known = [one.name for rule in (snapshot.rule, store.shown) if rule and (one := rule.collector)]
    names = (*known, *(one.name for one in store.collectors))
    return next((shell.command("compare-gc", name, policy=False) for name in names), "")


_COMMANDS: dict[str, Callable[[Shell, Finding], str]] = {
    **dict.fromkeys(("missing", "damaged", "opaque", "dangling", "anonymous", "suspect", "leaked"), _why),
    "tag-without-content": _dropped,
    "garbage": _collected,
    "unknown": lambda shell, _: shell.command("ls", "--status", "unknown"),
    **dict.fromkeys(("passed-over", "would-abort", "unprotected"), _compared),
    "duplicate-name": lambda shell, _: shell.command("tags"),
    "layout-changed": lambda shell, _: f"blobkit adopt {in_shell(shell.snapshot.address)}",
    "layout-damaged": lambda shell, _: f"blobkit adopt {in_shell(shell.snapshot.address)}",
}
