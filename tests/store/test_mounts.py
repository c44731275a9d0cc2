"""A store refuses network file systems, by what the system says about the mount that holds it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from blobkit.errors import StoreError
from blobkit.store import mounts
from blobkit.store.local import LocalStore, open_read_only
from blobkit.store.mounts import mount_of

MOUNTINFO = rb"""22 27 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
88 27 0:45 / /srv/team\040files rw,relatime shared:40 - nfs4 server:/export\040one rw,vers=4.2,addr=10.0.0.2
89 88 254:2 / /srv/team\040files/local rw,relatime shared:41 master:3 - xfs /dev/vdb rw
90 27 0:46 / /srv/back\134slash\011tab rw - fuse.sshfs me@host: rw,user_id=1000
91 27 0:47 / /srv/team rw,relatime - tmpfs tmpfs rw
92 27 0:48 / /over rw,relatime - cifs //server/share rw
93 27 254:3 / /over rw,relatime - ext4 /dev/vdc rw
94 27 0:49 / /n\303\251 rw - 9p host rw,trans=virtio
broken line
"""


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/", "/", "ext4"),
        ("/home/me/store", "/", "ext4"),
        ("/srv/team files/store", "/srv/team files", "nfs4"),
        ("/srv/team files", "/srv/team files", "nfs4"),
        ("/srv/team files/local/store", "/srv/team files/local", "xfs"),
        ("/srv/team files/locally", "/srv/team files", "nfs4"),
        ("/srv/back\\slash\ttab/a", "/srv/back\\slash\ttab", "fuse.sshfs"),
        ("/srv/team/store", "/srv/team", "tmpfs"),
        ("/over/store", "/over", "ext4"),
        ("/n\u00e9/store", "/n\u00e9", "9p"),
    ],
)
def test_the_longest_mount_that_holds_a_path_counts(path: str, point: str, kind: str) -> None:
    assert mount_of(Path(path), MOUNTINFO) == (point, kind)


def test_no_mounts_no_answer() -> None:
    assert mount_of(Path("/x"), b"") == ("", "")


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/srv/team files")
    assert mount_of(tmp_path / "link" / "new", MOUNTINFO)[1] == "nfs4"


def test_what_the_system_says_of_this_directory(tmp_path: Path) -> None:
    try:
        done = subprocess.run(["findmnt", "-fnvo", "TARGET,FSTYPE", "-T", tmp_path], stdout=subprocess.PIPE, check=True)
    except FileNotFoundError:
        pytest.skip("findmnt is not here: apt install util-linux")
    assert " ".join(mount_of(tmp_path, Path("/proc/self/mountinfo").read_bytes())).split() == (
        os.fsdecode(done.stdout).split()
    )


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "fuse.sshfs", "fuse.rclone"])
def test_a_store_is_refused_there_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    listed = tmp_path / "mountinfo"
    listed.write_text(f"1 0 0:1 / {tmp_path} rw - {kind} server:/ rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", str(listed))
    with pytest.raises(StoreError, match=f"network file system .{kind}, mounted at {tmp_path}.*local disk"):
        LocalStore(tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuse.mergerfs", "fuseblk", "zfs"])
def test_local_disks_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    listed = tmp_path / "mountinfo"
    listed.write_text(f"1 0 0:1 / {tmp_path} rw - {kind} disk rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", str(listed))
    LocalStore(tmp_path / "store", durability="off").close()


def test_a_store_may_be_read_there_and_a_system_that_lists_no_mounts_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "MOUNTS", str(tmp_path / "absent"))
    with LocalStore(tmp_path / "store", durability="off") as store:
        digest = store.put(b"x").digest
    (tmp_path / "mountinfo").write_text(f"1 0 0:1 / {tmp_path} rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", str(tmp_path / "mountinfo"))
    with open_read_only(tmp_path / "store") as store:
        assert store.get(digest).read() == b"x"
