"""Count what a bucket holds beside a store: other keys, unfinished uploads, versions that are not current."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from blobkit.buckets.connecting import root_of
from blobkit.render import count, printable, to_utf8
from blobkit.snapshot.notices import PARTS, leftover, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from blobkit.buckets.account import Account
    from blobkit.buckets.keys import Row
    from blobkit.buckets.objects import Objects
    from blobkit.buckets.options import Options
    from blobkit.remotes import Remote
    from blobkit.scanners.facts import Facts
    from blobkit.sources.buckets.inventory import Inventory

__all__ = [
    "beside",
    "record_noncurrent",
    "record_odd",
    "record_uncounted",
    "record_unverified",
    "record_uploads",
]

_REPOSITORY = re.compile(r"(?:.*/)?repositories/(.+)/_uploads/([^/]+)/data")
LISTED = 100
"""Odd keys with a notice of their own."""


def record_placeholder(facts: Facts, digest: str, path: str) -> None:
    """Record an empty object in the place of a blob, as zot keeps where repositories share blobs."""
    message = f"{digest} is empty here: it is the placeholder of a blob that is stored elsewhere (zot), or was damaged"
    facts.notice("placeholder", message, digest, path)
    facts.unseen(path)


def beside(objects: Objects, prefix: str, below: str, own: frozenset[str]) -> Iterator[Row]:
    """Yield the keys below a prefix that are not in the folders `own` of its folder `below`; OSError if it cannot."""
    here = prefix
    for name in [*below.split("/"), ""] if below else [""]:
        folders, rows = objects.folder(here)
        yield from rows
        for folder in sorted(set(folders) - ({name} if name else own)):
            for page in objects.all(f"{here}{folder}/"):
                yield from page
        here = f"{here}{name}/"


def record_odd(facts: Facts, root: str, odd: Iterable[Row]) -> None:
    """Record keys that are in no folder: no program that reads folders sees them."""
    for number, (key, info) in enumerate(odd):
        if number < LISTED:
            what = f"the key {printable(key)} has an empty part, `.` or `..`, or is both a file and a folder"
            facts.notice("odd", f"{what} ({info.size:,} bytes)", "", f"{root}/{to_utf8(key)}")


def record_unverified(facts: Facts) -> None:
    """Record that only documents were compared with their digests."""
    _say(facts, "the content of layers is not compared with their digests: verify does that")


def record_uncounted(
    facts: Facts,
    there: Remote,
    account: Account | None,
    options: Options,
    inventory: Inventory | None,
) -> None:
    """Record unfinished uploads and versions that are not current as far as asked for; a notice tells what is not."""
    uploads = partial(record_uploads, facts, there)
    _record(facts, "unfinished uploads in parts", account, uploads, wanted=options.uploads)
    if inventory and inventory.noncurrent:
        _record_versions(facts, there, inventory.noncurrent)
    else:
        versions = partial(record_noncurrent, facts, there, asked=options.versions is not None)
        _record(facts, "versions that are not current", account, versions, wanted=options.versions)


def _record(
    facts: Facts, what: str, account: Account | None, find: Callable[[Account], None], *, wanted: bool | None
) -> None:
    """Let `find` record what an account lists, if that is wanted (None: in an audit); else say that it is not."""
    if wanted is False or (wanted is None and not _is_audited(facts)):
        _say(facts, f"{what} are not counted")
    elif account is None:
        _say(facts, f"{what} are not counted: only S3 lists them")
    else:
        try:
            find(account)
        except OSError as error:
            _say(facts, f"{what} are not counted: {error.strerror}")


def _is_audited(facts: Facts) -> bool:
    """Return whether all files are counted."""
    return bool(facts.ledger and facts.ledger.totals)


def record_uploads(facts: Facts, there: Remote, account: Account) -> None:
    """Record each unfinished upload in parts with its bytes: no listing of keys has it, and it is paid for."""
    cut = len(root_of(there))
    for one in account.uploads(root_of(there)):
        found = _REPOSITORY.fullmatch(one.key)
        what = f"the upload {found[2]} to {found[1]} in parts" if found else f"the upload in parts of {one.key}"
        message = upload(printable(to_utf8(what)), one.size, one.modified)
        facts.notice(PARTS, message, to_utf8(found[1]) if found else "", f"{there.address}/{one.key[cut:]}")


def record_noncurrent(facts: Facts, there: Remote, account: Account, *, asked: bool) -> None:
    """Record the versions that are not current with their bytes; if not asked for, only that there may be some."""
    if not account.is_versioned():
        return
    if not asked:
        _say(facts, "versions that are not current are not counted: the option versions does that (-O versions=yes)")
        return
    size, number, newest = 0, 0, -1
    for rows in account.versions(root_of(there)):
        size += sum(key.size for _, key in rows)
        number += len(rows)
        newest = max([newest, *(key.modified for _, key in rows)])
    _record_versions(facts, there, (number, size, newest))


def _record_versions(facts: Facts, there: Remote, found: tuple[int, int, int]) -> None:
    """Record so many versions with so many bytes, and the time of the newest."""
    number, size, newest = found
    if number:
        what = f"{count(number, 'version')} that are not current, in the bucket {there.place},"
        facts.notice("noncurrent", leftover(what, size, newest), "", there.address)


def _say(facts: Facts, message: str) -> None:
    facts.notice("not-counted", message)
