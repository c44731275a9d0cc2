"""File systems of other machines, where a store cannot be: their processes share no memory with ours."""

from __future__ import annotations

import os
import re
from pathlib import Path

from blobkit.errors import StoreError
from blobkit.render import printable

__all__ = ["check_disk", "mount_of"]

NETWORK = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
    ]
)
NETWORK_FUSE = frozenset(
    [
        "ceph",
        "ceph-fuse",
        "curlftpfs",
        "davfs",
        "davfs2",
        "gcsfuse",
        "glusterfs",
        "goofys",
        "juicefs",
        "mfs",
        "moosefs",
        "rclone",
        "s3fs",
        "smbnetfs",
        "sshfs",
    ]
)
MOUNTS = "/proc/self/mountinfo"
LINE = re.compile(rb"^(?:\S+ ){4}(\S+) .*? - (\S+)", re.MULTILINE)
"""Id, parent, device, root, **mount point**, options, any number of fields, a dash, **type**, the rest."""


def check_disk(root: Path) -> None:
    """Check that `root`, or where it would be made, is not on a network file system; StoreError.

    The write-ahead log of the index lives on memory that processes share, and flock has to hold for all of them. Where
    the system lists no mounts, only SQLite itself can refuse. Cost: reads the list of mounts.
    """
    try:
        mounts = Path(MOUNTS).read_bytes()
    except OSError:
        return
    point, kind = mount_of(root, mounts)
    if kind in NETWORK or kind.removeprefix("fuse.") in NETWORK_FUSE:
        msg = (
            f"{root} is on a network file system ({printable(kind)}, mounted at {printable(point)}), where processes "
            "cannot share an index: give a directory on a local disk, and copy finished stores"
        )
        raise StoreError(msg)


def mount_of(path: Path, mounts: bytes) -> tuple[str, str]:
    """Return the mount point that holds `path`, links followed, and its type, by the text of mountinfo (proc(5)).

    Of mounts over each other the last one counts. ("", "") where none holds it.
    """
    real = os.fsencode(path.resolve()) + b"/"
    best, kind = b"", b""
    for found in LINE.finditer(mounts):
        point = _unescaped(found[1]).rstrip(b"/") + b"/"
        if real.startswith(point) and len(point) >= len(best):
            best, kind = point, found[2]
    return os.fsdecode(best.rstrip(b"/") or best), os.fsdecode(_unescaped(kind))


def _unescaped(field: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 0xFF]), field)
