"""What the command line says of bad input: one line, exit code 2, and the next step in the words of the shell.

Each block of the table is a command and its message. ROOT is the directory of the test.
"""
# ruff: noqa: E501 (a message is one line)

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from commands import command
from layouts import INDEX, Layout, Registry
from patience import HANG

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = """
$ adit store
no command 'adit': did you mean audit?
$ paint store
no command 'paint': did you mean plan?
$ --sotr
No such option '--sotr'. (see blobkit --help)
$ audit
Missing argument 'ADDRESS'. (see blobkit audit --help)
$ audit store extra
Got unexpected extra argument (extra) (see blobkit audit --help)
$ audit store --jsno
No such option '--jsno'. (Did you mean one of: '--json', '--sort'?) (see blobkit audit --help)
$ audit nowhere
nowhere does not exist: give the path of a store, or kind:path
$ audit ''
the address is empty: give the path of a store, or kind:path
$ audit empty
empty is not a store that blobkit knows; looked for blobkit (.blobkit/index.sqlite), oci (oci-layout, or index.json and blobs/), registry (docker/registry/v2/repositories), go-blobstore (blobs/<digest>/info.json), containerd (io.containerd.metadata.v1.bolt/meta.db), docker (image/overlay2/layerdb), containers-storage (overlay-layers/layers.json), huggingface (models--*/snapshots), ollama (manifests/ and blobs/), oci-archive (a tar with oci-layout, or with index.json and blobs/), docker-archive (a tar with manifest.json), snapshot (snapshot.json)
$ audit file
file is a file, and neither a saved snapshot nor an archive of images: give the directory of a store, or a file made by `blobkit scan -o`
$ audit oci:file
file is a file, not a directory: give the directory of the store
$ audit oci:empty
ROOT/empty/index.json is missing: an OCI image layout has one, and without it the roots are unknown
$ audit oci:
the path of the address 'oci:' is empty: give kind:path
$ audit oic:store
oic:store does not exist, and the kind 'oic' is not known: did you mean oci:store? The kinds are blobkit, oci, registry, go-blobstore, containerd, docker, containers-storage, huggingface, ollama, oci-archive, docker-archive, snapshot
$ audit nope:store
nope:store does not exist, and the kind 'nope' is not known: use blobkit, oci, registry, go-blobstore, containerd, docker, containers-storage, huggingface, ollama, oci-archive, docker-archive, snapshot
$ audit https://registry.example/team
https://registry.example/team is not an address: it does not say which kind of store; give registry+https://registry.example/team
$ audit registry+https://user:secret@registry.example
an address registry+https://... contains a user or a password: leave that out: credentials are those of docker login, or of the environment
$ audit registy+https://registry.example
registy+https://registry.example is not an address: no registy store is reached by https; give registry+https://registry.example
$ audit registry+ftp://registry.example
registry+ftp://registry.example is not an address: did you mean registry+http://registry.example? Known are oci+s3://, oci+gs://, oci+az://, registry+https://, registry+http://, registry+s3://, registry+gs://, registry+az://
$ audit s3://bucket/registry
s3://bucket/registry is not an address: it does not say which kind of store; give oci+s3://bucket/registry or registry+s3://bucket/registry
$ audit oci+https://registry.example
oci+https://registry.example is not an address: no oci store is reached by https; give registry+https://registry.example
$ audit registry://registry.example/team
registry://registry.example/team is not an address: it does not say how it is reached; give registry+https://registry.example/team or registry+http://registry.example/team or registry+s3://registry.example/team or registry+gs://registry.example/team or registry+az://registry.example/team
$ audit registry+s3://bucket -O anonymous=perhaps
the option anonymous is 'perhaps': give yes or no
$ audit registry+s3://bucket -O endpoint=http://storage.example
the endpoint http://storage.example is plain HTTP: give https://..., or -O allow_http=yes
$ audit registry+s3:///registry
registry+s3:///registry names no bucket: give registry+s3://BUCKET[/PREFIX]
$ audit registry+https://registry.example?tag=1
registry+https://registry.example is followed by ?tag=..., which means nothing here: leave that out: credentials are those of docker login, or of the environment
$ audit docker://alpine:3
docker://alpine:3 names one image: give its repository, docker://docker.io/library/alpine
$ audit https://registry.example/team -O at_once
-O 'at_once' is not NAME=VALUE (see blobkit audit --help)
$ audit https://registry.example/team --repositories absent
absent: No such file or directory
$ audit docker-daemon:alpine:3
docker-daemon:alpine:3 is not supported: copy an image (skopeo copy --all docker-daemon:alpine:3 oci:DIR:TAG) and give DIR; or give docker:PATH, the data root of docker
$ audit oci-archive:image.tar
ROOT/image.tar is a tar archive without images: it has neither oci-layout, index.json nor manifest.json; give an archive that docker save, podman save, skopeo copy or buildah push wrote
$ audit image.tar
image.tar is a tar archive without images: it has neither oci-layout, index.json nor manifest.json; give an archive that docker save, podman save, skopeo copy or buildah push wrote
$ audit image.tar.gz
image.tar.gz is a tar archive without images: it has neither oci-layout, index.json nor manifest.json; give an archive that docker save, podman save, skopeo copy or buildah push wrote
$ audit around
around is not a store itself: give the store in it, around/inner
$ audit registry/docker
registry/docker is not a store itself: it is a part of the registry store in ROOT/registry: give that
$ audit registry/docker/registry
registry/docker/registry is not a store itself: it is a part of the registry store in ROOT/registry: give that
$ audit layout/blobs
layout/blobs is not a store itself: it is a part of the oci store in ROOT/layout: give that
$ audit cut.blobkit
cut.blobkit is not a saved snapshot, or is damaged (File is not a zip file): scan the store again (blobkit scan ADDRESS -o FILE)
$ audit zip.blobkit
zip.blobkit is not a saved snapshot, or is damaged ("There is no item named 'snapshot.json' in the archive"): scan the store again (blobkit scan ADDRESS -o FILE)
$ audit snapshot:nowhere
nowhere does not exist: give a file that `blobkit scan -o` or `save` made
$ audit store --verify
store is a blobkit store, of which only the index is read: verify its blobs as oci:store
$ audit store --policy strong
no policy 'strong' for blobkit stores: use one of counts
$ audit layout --policy strnog
no policy 'strnog' for oci stores: did you mean strong? Use one of dependent, strong, ignore
$ audit store --min-age soon
'soon' is not an age: write 30m, 24h, 7d, 2w, 1d12h or 0
$ audit store --fail-on errors
'errors' is not a finding: did you mean error?
$ audit store --fail-on rubbish
'rubbish' is not a finding: use error, warning, info, unreadable, missing, tag-without-content, unlinked-layer, damaged, opaque, mismatched-counts, estimated, leaked, passed-over, would-abort, layout-changed, layout-damaged, outside, garbage, unknown, orphan, stale-upload, leftover, placeholder, noncurrent, unowned, duplicate-name, junk, dangling, anonymous, unprotected, left-out, unlisted, copies, unswept, twins, suspect, fresh, upload, foreign, inline, algorithm, symlink, shared-inode, also-kind, odd, not-visible, other, said, not-counted, metadata
$ audit store --fail-over garbage
'garbage' is not a threshold: write FINDING=SIZE, like garbage=1GiB (see blobkit audit --help)
$ audit store --fail-over garbage=20G
'20G' can be read in two ways: write 20GiB (21,474,836,480 bytes, 20.0 GiB) or 20GB (20,000,000,000 bytes, 18.6 GiB)
$ audit store --fail-over garbage=lots
'lots' is not a size: write 20GiB (1024), 20GB (1000), or a number of bytes
$ audit store --top many
Invalid value for '--top': 'many' is not a valid whole number. (see blobkit audit --help)
$ audit store --top -1
Invalid value for '--top': -1 is not in the range x>=0. (see blobkit audit --help)
$ audit store --sort sizes
cannot sort by 'sizes': did you mean size? Use severity, finding, digest, retained, tag, bytes, size, exclusive, closure (see blobkit audit --help)
$ audit layout --script crane
'crane' does not fit stores of the kind oci: use umoci, rm
$ audit store --script blobkit
a blobkit store has no garbage collector (policy counts): blobkit fsck says why they are here
$ ls store --sort colour
cannot sort by 'colour': use size, retained, frees, refcount (see blobkit ls --help)
$ ls store --sort sise
cannot sort by 'sise': did you mean size? Use size, retained, frees, refcount (see blobkit ls --help)
$ ls store --status life
'life' is not a status: did you mean live? Use live, garbage, unknown (see blobkit ls --help)
$ ls store --kind layr
'layr' is not a kind: did you mean layer? (see blobkit ls --help)
$ ls store --limit few
Invalid value for '--limit': 'few' is not a valid whole number. (see blobkit ls --help)
$ ls store --where 're:('
'(' is not a regular expression (missing ): (): re: takes the syntax of RE2
$ tags store --sort exclusiv
cannot sort by 'exclusiv': did you mean exclusive? Use tag, kind, closure, exclusive, same_digest, created, modified (see blobkit tags --help)
$ usage store --by tags
cannot group by 'tags': did you mean tag? Use tag, repo, kind, media_type, platform, month
$ usage store --by colour
cannot group by 'colour': use tag, repo, kind, media_type, platform, month
$ usage store --sort closured
cannot sort by 'closured': did you mean closure? Use group, blobs, closure, exclusive, shared, split (see blobkit usage --help)
$ sharing store --by repository
cannot group by 'repository': use tag, repo, kind, media_type, platform, month
$ untagged layout
oci stores have no untagged manifests: only registries keep manifests that no tag names; see blobkit audit
$ untagged registry --group ap
no repository 'ap' here; did you mean app?
$ untagged registry --script umoci
'umoci' does not fit stores of the kind registry: use curl, crane, skopeo, regctl
$ scan store
Missing option '-o' / '--output'. (see blobkit scan --help)
$ scan store -o none/x.blobkit
none: no such directory: make it first
$ scan nowhere -o x.blobkit
nowhere does not exist: give the path of a store, or kind:path
$ why store
Missing argument 'BLOB'. (see blobkit why --help)
$ why store shop/wbe:1.0
nothing here is named 'shop/wbe:1.0', and no digest starts with it; did you mean shop/web:1.0, shop/web:2.0, shop/web:1.1?
$ why store 'shop/web:*'
'shop/web:*' is a pattern, but this needs a single blob: give one of the 4 names that match it: shop/web:1.0, shop/web:1.1, shop/web:2.0 and 1 more
$ why store 64884
nothing here is named '64884', and it is too short for the start of a digest: give at least 6 digits; sha256:648841088021 starts with it
$ why store sha256:6
'sha256:6' is too short for the start of a digest: give at least 6 digits; sha256:638dc1031710, sha256:648841088021 start with it
$ why store sha256:XYZ
'sha256:XYZ' is not a digest: expected sha256:, sha384: or sha512: and 64, 96 or 128 lower-case hex digits
$ simulate store
no target: give a name, a digest, a pattern, or --group REPOSITORY
$ simulate store shop/wbe:1.0
nothing here is named 'shop/wbe:1.0', and no digest starts with it; did you mean shop/web:1.0, shop/web:2.0, shop/web:1.1?
$ simulate store shop/web
'shop/web' is a repository, not a name: use --group shop/web for all of it, or one name: shop/web:1.0, shop/web:1.1, shop/web:2.0 and 1 more
$ simulate store 'x*'
the pattern 'x*' matches none of 11 names: see blobkit tags
$ simulate store 're:['
'[' is not a regular expression (missing ]: [): re: takes the syntax of RE2
$ simulate store 64884
nothing here is named '64884', and it is too short for the start of a digest: give at least 6 digits; sha256:648841088021 starts with it
$ simulate store sha256:6
'sha256:6' is too short for the start of a digest: give at least 6 digits; sha256:638dc1031710, sha256:648841088021 start with it
$ simulate store sha256:ABC
'sha256:ABC' is not a digest: expected sha256:, sha384: or sha512: and 64, 96 or 128 lower-case hex digits
$ simulate store sha256:0000000000000000000000000000000000000000000000000000000000000000
no blob sha256:0000000000000000000000000000000000000000000000000000000000000000 here: see blobkit ls
$ simulate store --group shop/wbe
no repository 'shop/wbe' here; did you mean shop/web, shop/worker, shop/api?
$ simulate store {layer}
{layer12} has no pin of its own, only links hold it (base/debian:12, base/python:3.12, data/etl:1 and 8 more reach it): blobkit why ADDRESS {layer} shows what holds it: drop that
$ simulate store {tagged}
{tagged12} has no anonymous pin: shop/web:1.0 holds it; give the name, or --all-pins
$ simulate layout {child}
{child12} has no pin of its own, only links hold it (multi reach it): blobkit why ADDRESS {child} shows what holds it: drop that
$ simulate store shop/web:1.0 --script crane
'crane' does not fit stores of the kind blobkit: use blobkit
$ simulate registry app:1 --script cran
'cran' does not fit stores of the kind registry: did you mean crane? Use curl, crane, skopeo, regctl
$ export registry+https://registry.example/team/app app:1 out
registry+https://registry.example/team/app is on another machine, and a blobkit store is a directory on this one: blobkit audit registry+https://registry.example/team/app reads it; skopeo copy --all docker://registry.example/team/app:TAG oci:DIR:TAG copies an image of it here
$ fsck docker://registry.example/team/app
docker://registry.example/team/app is on another machine, and a blobkit store is a directory on this one: blobkit audit docker://registry.example/team/app reads it; skopeo copy --all docker://registry.example/team/app:TAG oci:DIR:TAG copies an image of it here
$ fsck --purge https://registry.example
registry+https://registry.example is on another machine, and a blobkit store is a directory on this one: blobkit audit registry+https://registry.example reads it; skopeo copy --all docker://registry.example/REPOSITORY:TAG oci:DIR:TAG copies an image of it here
$ fsck --repair registry://registry.example
registry+https://registry.example is on another machine, and a blobkit store is a directory on this one: blobkit audit registry+https://registry.example reads it; skopeo copy --all docker://registry.example/REPOSITORY:TAG oci:DIR:TAG copies an image of it here
$ adopt s3://user:secret@bucket/layout?X-Amz-Signature=secret
registry+s3://bucket/layout is on another machine, and a blobkit store is a directory on this one: blobkit audit registry+s3://bucket/layout reads it; skopeo copy --all docker://HOST/REPOSITORY:TAG oci:DIR:TAG copies an image of it here
$ import layout oci+s3://bucket/layout
oci+s3://bucket/layout is on another machine, and a blobkit store is a directory on this one: blobkit audit oci+s3://bucket/layout reads it; skopeo copy --all docker://HOST/REPOSITORY:TAG oci:DIR:TAG copies an image of it here
$ import registry+https://registry.example/team/app store
registry+https://registry.example/team/app is on another machine: only what it holds is read, not its content; copy images here (skopeo copy --all docker://registry.example/team/app:TAG oci:DIR:TAG), and import DIR
$ export store shop/web:1.0 docker://registry.example/team/app
docker://registry.example/team/app is on another machine: an export writes to a directory or archive on this one; export to a directory DIR, and copy from there (skopeo copy --all oci:DIR:TAG docker://registry.example/team/app:TAG)
$ export store shop/web:1.0 oci:registry+s3://bucket
registry+s3://bucket is on another machine: an export writes to a directory or archive on this one; export to a directory DIR, and copy from there (skopeo copy --all oci:DIR:TAG docker://HOST/REPOSITORY:TAG)
$ compare-gc store umoci
umoci collects nothing in stores of the kind blobkit: no tool's collector is known for it; its directory is an OCI layout too: scan oci:PATH for umoci
$ compare-gc layout umoco
no collector is known by the name 'umoco': did you mean umoci?
$ compare-gc layout registry
registry collects nothing in stores of the kind oci: use umoci
$ diff store
Missing argument 'AFTER'. (see blobkit diff --help)
$ diff store store --by kind
a diff groups by the names of pins, not by kind: use --by tag or --by repo
$ diff store layout
blobkit:ROOT/store at TIME, policy counts and oci:ROOT/layout at TIME, policy dependent have different kinds: blobkit and oci cannot be compared; give two snapshots of one store
$ plan store
no goal: give --free 20GiB, --until 500GiB, or a rule (--older-than 30d, --keep-last 3)
$ plan store --free 20G
'20G' can be read in two ways: write 20GiB (21,474,836,480 bytes, 20.0 GiB) or 20GB (20,000,000,000 bytes, 18.6 GiB)
$ plan store --free 1x
'1x' is not a size: write 20GiB (1024), 20GB (1000), or a number of bytes
$ plan store --free 20GiB
20.0 GiB (21,474,836,480 bytes) cannot be freed: at most 12.8 MiB (13,454,760 bytes) can
$ plan store --free 12MiB --keep-last 9
12.0 MiB (12,582,912 bytes) cannot be freed: at most 0 B (0 bytes) can; 12.8 MiB more without 'among the last 9 of its repository' (--keep-last), 12.8 MiB if nothing were spared
$ plan store --free 1 --until 1
free and until cannot be given together: give --free or --until
$ plan store --older-than 1y
'1y' is not an age: write 30m, 24h, 7d, 2w, 1d12h or 0
$ plan store --keep-last few
Invalid value for '--keep-last': 'few' is not a valid whole number. (see blobkit plan --help)
$ plan store --keep shop/wbe:1.0 --free 1
nothing here is named 'shop/wbe:1.0', and no digest starts with it; did you mean shop/web:1.0, shop/web:2.0, shop/web:1.1?
$ plan store --keep-last 1 --group shop
groups is for untagged manifests only: give --untagged too, or --keep instead
$ plan store --untagged
blobkit stores have no untagged manifests: only registries keep manifests that no tag names; see blobkit audit
$ plan registry --untagged --free 1
untagged manifests have their own rules: do not give --free with --untagged
$ plan registry --untagged --policy gc
untagged manifests have their own rules: do not give --policy gc with --untagged
$ plan store --free 1 --time-limit soon
Invalid value for '--time-limit': 'soon' is not a valid number of seconds. (see blobkit plan --help)
$ report store
Missing option '-o' / '--output'. (see blobkit report --help)
$ report nowhere -o report.html
nowhere does not exist: give the path of a store, or kind:path
$ report store -o empty
empty: is a directory: give the name of a file in it
$ report store -o no/report.html
no: no such directory: make it first
$ report store -o store/report.html
store/report.html is in ROOT/store, which is only read: give a path outside it
$ report saved.blobkit -o saved.blobkit
saved.blobkit is in ROOT/saved.blobkit, which is only read: give a path outside it
$ report store -o report.html --before nowhere
nowhere does not exist: give the path of a store, or kind:path
$ report store -o report.html --before saved.blobkit
oci:ROOT/layout at TIME, policy dependent is not an older snapshot of this store: oci and blobkit; give one of the same store
$ report store -o report.html --min-age soon
'soon' is not an age: write 30m, 24h, 7d, 2w, 1d12h or 0
$ report store -o report.html --policy gc
no policy 'gc' for blobkit stores: use one of counts
$ demo store
store is a store with 33 blobs already: give a new directory (see blobkit demo --help)
$ demo around
ROOT/around is no blobkit store and not empty: give another directory, or read it with blobkit audit ROOT/around
$ demo layout
ROOT/layout is an OCI image layout, no blobkit store: blobkit adopt ROOT/layout makes it one, blobkit audit ROOT/layout reads it as it is
$ import nowhere mine
nowhere does not exist: give the path of a store, or kind:path
$ import saved.blobkit mine
saved.blobkit is a saved snapshot, which has no content: give the store itself
$ import store store
ROOT/store cannot be imported into itself: give another store
$ import store file
ROOT/file is a file, not a directory: give the directory of a store
$ export store nope:1 out
no tag 'nope:1' in this store, and no digest: see blobkit tags
$ export store shop/web:1.0 around
ROOT/around is no OCI image layout and not empty: give another directory, or a file .tar
$ export empty shop/web:1.0 out
ROOT/empty is no blobkit store: it has no .blobkit/index.sqlite; give the directory of a blobkit store; blobkit audit reads other stores
$ export layout app:1 out
ROOT/layout is no blobkit store: it has no .blobkit/index.sqlite; give the directory of a blobkit store; blobkit audit reads other stores
$ adopt nowhere
ROOT/nowhere does not exist, and is no store: give the path of one
$ adopt empty
ROOT/empty is empty, and is no store: give the path of one
$ adopt ''
the path of a store is empty: give the directory of one, or . for the current one
$ adopt registry
ROOT/registry is no blobkit store and not empty: give another directory, or read it with blobkit audit ROOT/registry
$ fsck nowhere
ROOT/nowhere is no blobkit store: it has no .blobkit/index.sqlite; give the directory of a blobkit store; blobkit audit reads other stores
$ fsck layout
ROOT/layout is no blobkit store: it has no .blobkit/index.sqlite; give the directory of a blobkit store; blobkit audit reads other stores
$ fsck file
ROOT/file is no blobkit store: it has no .blobkit/index.sqlite; give the directory of a blobkit store; blobkit audit reads other stores
$ fsck empty --repair
ROOT/empty is empty, and is no store: give the path of one
"""
LAYER = "sha256:dea4a6d58258fa52eb89e7f8f9d0a5af67e7b141dafd4367fc58dee029e9958f"
TAGGED = "sha256:e92af37e927521e6680836d2936a48a631bed23b388b9bb2ab17b138726a2667"


def place(root: Path) -> dict[str, str]:
    """Make what the table speaks of, and return the digests that it names."""
    with blobkit.LocalStore(root / "store", durability="off") as made:
        demo.fill(made)
    layout = Layout(root / "layout")
    layout.image("app:1", "content")
    child = layout.manifest(layout.blob("layer"))
    layout.add(layout.index(child), "multi", INDEX)
    Registry(root / "registry").push("app", "1", "base", "content")
    for name in ("empty", "around"):
        (root / name).mkdir()
    shutil.copytree(layout.root, root / "around" / "inner")
    (root / "file").write_text("no store")
    for name, mode in (("image.tar", "w"), ("image.tar.gz", "w:gz")):
        with tarfile.open(root / name, mode) as archive:  # type: ignore[call-overload]
            archive.add(layout.root, "layout")
    layout.scan().save(root / "saved.blobkit")
    (root / "cut.blobkit").write_bytes((root / "saved.blobkit").read_bytes()[:1000])
    with zipfile.ZipFile(root / "zip.blobkit", "w") as other:
        other.writestr("a", "b")
    return {"layer": LAYER, "tagged": TAGGED, "child": child}


def told(message: str, root: Path, digests: dict[str, str]) -> str:
    """Return a message as the table has it: without the directory, the time and the digests of the test."""
    message = re.sub(r" at \d{4}-\S+ \S+ UTC", " at TIME", message.replace(str(root), "ROOT"))
    for name, digest in digests.items():
        message = message.replace(digest, f"{{{name}}}").replace(digest[:19], f"{{{name}12}}")
    return message


@pytest.mark.slow
def test_every_bad_input_is_told_in_one_line(tmp_path: Path) -> None:
    digests = place(tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    said = []
    for asked in MESSAGES.strip().splitlines()[::2]:
        words = shlex.split(asked.removeprefix("$ ").format(**digests))
        done = command(*words, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
        said += [asked, told(done.stderr.removeprefix("blobkit: ").rstrip("\n"), tmp_path, digests)]
    assert said == MESSAGES.strip().splitlines()
    left = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert {path.relative_to(tmp_path).parts[0] for path in left} <= {"mine"}  # the store that import makes


@pytest.mark.slow
def test_messages_of_real_processes(tmp_path: Path) -> None:
    place(tmp_path)
    lines = MESSAGES.strip().splitlines()
    for asked in ("$ adit store", "$ audit image.tar", "$ plan store", "$ ls store --sort sise"):
        line = [sys.executable, "-m", "blobkit", *shlex.split(asked.removeprefix("$ "))]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=HANG)
        expected = f"blobkit: {lines[lines.index(asked) + 1]}\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


def test_no_message_speaks_python() -> None:
    for line in MESSAGES.strip().splitlines()[1::2]:
        assert not re.search(r"\w=(True|False|\[|\(|[\"'])|\w\((x|store)\b|store\.\w+\(|blobkit\.\w+\(", line), line
