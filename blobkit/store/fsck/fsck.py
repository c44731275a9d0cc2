"""The check and the repair of one open store, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.store.fsck.check import check, of_index
from blobkit.store.fsck.repair import BEFORE_ALL, repair_index
from blobkit.store.fsck.repair import repair as repaired
from blobkit.store.fsck.report import Finding, Fsck

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blobkit.store.fsck.subject import Subject, Suspect

__all__ = ["fsck"]


def fsck(subject: Subject, *, repair: bool, content: bool, progress: bool) -> Fsck:
    """Return what is wrong with a store and, with `repair`, what was done about it.

    What makes the answers of the index unsure is repaired before anything else is asked.
    """
    before = {}
    if repair:
        before = repair_index(subject, of_index(subject), BEFORE_ALL)
    seen = check(subject, content=content, progress=progress)
    done, more = repaired(subject, seen.suspects) if repair else ({}, [])
    findings = [*_findings(before, before), *_findings(seen.suspects, done), *_findings(more, {})]
    return Fsck(tuple(findings), seen.checked, tuple(seen.notes), subject.address)


def _findings(suspects: Iterable[Suspect], done: Mapping[Suspect, str]) -> Iterable[Finding]:
    return (Finding(one.code, one.digest, one.message, done.get(one, "")) for one in suspects)
