"""Damage by a seed: to bytes, to JSON, to directories and what is in them, to columns of tables.

Everything is drawn from one `random.Random`, so that a seed says what was done.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import stat
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    Json = dict[str, object] | list[object]

SECRET = b"a secret of another directory"
DIGEST = "sha256:" + hashlib.sha256(b"elsewhere").hexdigest()
SCALARS: list[object] = [
    None, True, False, 0, -1, 7, 1 << 31, 1 << 62, (1 << 63) - 1, 1 << 64, 10**400, 1.5, -0.0, 1e308, "", "x", "\ud800",
    "a\x00b\n\x1b[31m\u202e", "x" * 5000, DIGEST, DIGEST.upper(), DIGEST[:-1], "sha512:" + "a" * 128, "blake3:aa", "..",
    "../../etc/passwd", "-rf", "$(id)`id`'\"", "<script>", "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws", "2020-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00",
]  # fmt: skip
FIELDS = [
    "digest", "mediaType", "size", "config", "layers", "manifests", "subject", "annotations", "data", "urls",
    "platform", "artifactType", "schemaVersion", "fsLayers", "blobs", "refCount", "linksTo", "os", "rootfs", "created",
    "Digest", "SIZE", "layer\u017f", "org.opencontainers.image.ref.name", "io.containerd.image.name",
]  # fmt: skip
NAMES = [
    b"\xff\xfe", b"a\nb", b"-rf", b"...", b" ", b"'\"$(id)", b"x" * 200, b"_manifests", b"_layers", b"_uploads",
    b"tags", b"link", b"sha256", b"sha512", b"blobs", b"index.json", b"info.json", b"data", b"UPPER", b"temp-blob-1",
    hashlib.sha256(b"1").hexdigest().encode(), DIGEST.encode(), b".nfs0001", b"lost+found", "\u202e".encode(),
]  # fmt: skip


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """Flip, cut, double, insert or empty."""
    at = random.randrange(len(data) + 1)
    other = random.randrange(len(data) + 1)
    low, high = min(at, other), max(at, other)
    return random.choice(
        [
            data[:at],
            data[:low] + data[high:],
            data[:at] + random.randbytes(random.choice([1, 3, 100])) + data[at:],
            data[:at] + bytes([random.randrange(256)]) + data[at + 1 :],
            data + data[low:high],
            b"",
            b"\xef\xbb\xbf" + data,
            data.decode("latin-1").encode("utf-16"),
            b"\0" * len(data),
            data + b" " * 70_000,
        ]
    )


def places(value: object) -> list[tuple[Json, object]]:
    """Every (container, key or index) below a parsed value."""
    found: list[tuple[Json, object]] = []
    todo = [value]
    while todo:
        one = todo.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            found.append((one, key))
            todo.append(one[key])
    return found


def odd_value(random: Random, value: object) -> object:
    """A value that stands where another was."""
    scalar = random.choice(SCALARS)
    nested: object = scalar
    for _ in range(random.choice([1, 3, 50])):
        nested = [nested] if random.random() < 0.5 else {random.choice(FIELDS): nested}
    return random.choice([scalar, scalar, nested, [value], {"digest": value}, [scalar] * 30, [value] * 3, [], {}])


def mutate_json(random: Random, value: object) -> object:
    """Replace, remove, add, double, rename or swap in one place."""
    found = places(value)
    if not found or random.random() < 0.03:
        return odd_value(random, value)
    inside, key = random.choice(found)
    action = random.randrange(7)
    if action == 0:
        del inside[key]
    elif action == 1 and isinstance(inside, list):
        inside.extend([inside[key]] * random.choice([1, 20]))
    elif action == 2 and isinstance(inside, dict):
        inside[random.choice([*FIELDS, str(key).upper(), str(key).title()])] = inside.pop(key)
    elif action == 3 and isinstance(inside, dict):
        inside[random.choice(FIELDS)] = odd_value(random, inside[key])
    elif action == 4:
        other, there = random.choice(found)
        with suppress(KeyError, IndexError):
            inside[key] = json.loads(json.dumps(other[there]))
    else:
        inside[key] = odd_value(random, inside[key])
    return value


def mutate_document(random: Random, data: bytes) -> bytes:
    """Change a JSON document; what is none has bytes changed."""
    try:
        value = json.loads(data)
    except ValueError:
        return mutate_bytes(random, data)
    for _ in range(random.choice([1, 1, 2, 5])):
        value = mutate_json(random, value)
    text = json.dumps(value)
    if random.random() < 0.1:  # a name twice
        text = re.sub(r"\{", lambda _: '{"size": 3, ', text, count=1)
    return text.encode()


def _is_json(path: Path) -> bool:
    with suppress(OSError):
        if stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size < 1 << 20:
            return path.read_bytes()[:1] in (b"{", b"[")
    return False


def below(root: Path) -> list[Path]:
    """Everything below a directory, links not followed."""
    found = []
    for place, folders, files in os.walk(root):
        found += [type(root)(place, name) for name in sorted(folders + files)]
    return sorted(found, key=os.fsencode)


def change_document(random: Random, root: Path, path: Path) -> None:
    """Change a document; every second one gets its new digest, there and in all that name it."""
    old = path.read_bytes()
    new = mutate_document(random, old)
    path.write_bytes(new)
    before, after = hashlib.sha256(old).hexdigest(), hashlib.sha256(new).hexdigest()
    if random.random() < 0.7 and before != after:
        rename_digest(root, before, after)


def rename_digest(root: Path, before: str, after: str) -> None:
    """Give a blob another digest in the names of files and in every small file."""
    for path in reversed(below(root)):
        with suppress(OSError):
            if stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size < 1 << 20:
                data = path.read_bytes()
                if before.encode() in data:
                    path.write_bytes(data.replace(before.encode(), after.encode()))
            if before in path.name:
                path.rename(path.with_name(path.name.replace(before, after)))


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _socket(path: Path) -> None:
    """Make a socket, by way of a short name: they have at most 107 letters."""
    with tempfile.TemporaryDirectory(dir=path.anchor + "tmp") as short, socket.socket(socket.AF_UNIX) as end:
        end.bind(f"{short}/s")
        with suppress(OSError):
            os.rename(f"{short}/s", path)  # noqa: PTH104 (not over file systems)


def _device(path: Path) -> None:
    with suppress(OSError):
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))


def replace(random: Random, root: Path, path: Path) -> None:
    """Put something else in the place of a file or directory."""
    outside = root.parent / "outside"
    others = below(root)
    targets = ["/dev/zero", "/dev/null", "/", outside, outside / "secret", path, path.parent, root, "nowhere"]
    makers: list[Callable[[], object]] = [
        lambda: os.mkfifo(path),
        path.mkdir,
        lambda: _socket(path),
        lambda: _device(path),
        lambda: path.symlink_to(random.choice([*targets, random.choice(others)])),
        lambda: path.symlink_to(random.choice([*targets, random.choice(others)])),
        lambda: path.write_bytes(b""),
        lambda: None,
        lambda: path.write_bytes(b"PAR1"),
    ]
    _clear(path)
    random.choice(makers)()


def grow(random: Random, path: Path) -> None:
    """Let a file claim to be huge, without taking space."""
    with suppress(OSError):
        os.truncate(path, random.choice([5 << 20, 1 << 40, 1 << 62, (1 << 63) - 1]))


def add(random: Random, root: Path, path: Path) -> None:
    """Put something of an odd name beside, deep down or on top."""
    folder = path if path.is_dir() and not path.is_symlink() else path.parent
    name = os.fsdecode(random.choice(NAMES))
    with suppress(OSError):
        made = folder / name
        if random.random() < 0.4:
            made.mkdir()
            made = made / os.fsdecode(random.choice(NAMES))
        others = [b"", b"junk", DIGEST.encode(), b'{"schemaVersion":2}']
        others += [other.read_bytes() for other in below(root) if _is_json(other)]
        made.write_bytes(random.choice(others))


def damage(random: Random, root: Path) -> None:
    """Do one thing to a directory."""
    found = below(root)
    files = [path for path in found if stat.S_ISREG(path.lstat().st_mode)]
    documents = [path for path in files if _is_json(path)]
    action = random.random()
    if action < 0.4 and documents:
        change_document(random, root, random.choice(documents))
    elif action < 0.55 and files:
        path = random.choice(files)
        if path.stat().st_size < 1 << 20:
            path.write_bytes(mutate_bytes(random, path.read_bytes()))
    elif action < 0.75 and found:
        replace(random, root, random.choice(found))
    elif action < 0.8 and files:
        grow(random, random.choice(files))
    elif action < 0.9 and found:
        add(random, root, random.choice(found))
    elif action < 0.95 and found:
        with suppress(OSError):
            random.choice(found).rename(random.choice(found).parent / os.fsdecode(random.choice(NAMES)))
    elif found:
        path = random.choice(found)
        if not path.is_symlink():
            path.chmod(random.choice([0, 0o444, 0o777, 0o111]))
