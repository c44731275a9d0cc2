"""The blobs and manifests of Ollama's models directory while they are read."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from blobkit.digest import Digest
from blobkit.oci.ollama import decode, digests_in
from blobkit.oci.untrusted import DocumentError, TooManyElementsError
from blobkit.scanners.facts import escape_controls
from blobkit.snapshot.notices import upload
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.oci.ollama import Manifest, Named
    from blobkit.scanners.caches.look import Look

__all__ = ["Models", "shown"]

LIMIT = 4 << 20
"""Bytes of a manifest that are read; Ollama writes a few hundred."""
_BLOB = re.compile(r"sha256[-:]([0-9a-fA-F]{64})")
_PARTIAL = re.compile(r"sha256-(?:[0-9a-fA-F]{64}-partial(?:-\d+)?|\d+)")
_PIECE = 1 << 20
_HOST, _NAMESPACE = "registry.ollama.ai", "library"
_PARTS = tuple(
    re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_{others}-]{{0,{most - 1}}}")
    for others, most in ((".:", 350), ("", 80), (".", 80), (".", 80))
)
"""Host, namespace, model and tag of a valid name."""


def shown(parts: tuple[str, ...]) -> tuple[str, str]:
    """Return the name of a model without its tag, and with it, as `ollama list` shows it."""
    host, namespace, model, tag = map(escape_controls, parts)
    before = [host, namespace]
    if host.lower() == _HOST:
        before = [namespace] if namespace.lower() != _NAMESPACE else []
    name = "/".join([*before, model])
    return name, f"{name}:{tag}"


class Models:
    """The facts of a models directory. `paths`: the file of each stored blob, by the key of its node."""

    def __init__(self, look: Look) -> None:
        self.look, self.facts = look, look.facts
        self.paths: dict[str, str] = {}
        self.names: set[str] = set()

    def read_blobs(self) -> None:
        """Record a node for each file in blobs/."""
        entries = self.look.entries("blobs")
        if entries is None:
            self.facts.notice("unseen", "blobs/ cannot be read: no blob is known to be missing", "sha256:", "blobs")
        for entry in entries or ():
            path = f"blobs/{entry.name}"
            if entry.kind is Is.FILE:
                self._file(path, entry.name)
            elif entry.kind is Is.LINK:
                self._linked(path, entry.name)
            elif entry.kind is Is.OTHER:
                self._notice("junk", path, "is not a regular file")

    def read_manifest(self, path: str, parts: tuple[str, ...]) -> None:
        """Record the name in `parts`, unless it was read before, and what the manifest at `path` names."""
        group, name = shown(parts)
        if name in self.names:
            return
        self.names.add(name)
        data = self.look.read(path, LIMIT + 1)
        info = self.look.info(path)
        modified = info.modified if info else -1
        is_name = all(form.fullmatch(part) for form, part in zip(_PARTS, parts, strict=True))
        if not is_name:
            self.facts.notice("model-name", f"{escape_controls(path)} is no name of a model", name, self._whole(path))
        if data is None or len(data) > LIMIT:
            why = "it cannot be read" if data is None else f"it has more than {LIMIT >> 20} MiB"
            self._unknown(name, group, why, modified)
            return
        try:
            manifest = decode(data)
            node = self._manifest(data, manifest.media_type, modified)
            self._link(node, manifest)
        except TooManyElementsError as error:
            self._unknown(name, group, str(error), modified)
        except DocumentError as error:
            self._unread(name, group, data, str(error), modified)
        else:
            self.facts.pin(node, name, "tag" if is_name else "unread-tag", group, modified)

    def verify(self, keys: Iterable[str]) -> None:
        """Hash the blobs with these keys."""
        for key in keys:
            found = hashlib.sha256()
            try:
                with self.look.source.open(self.paths[key]) as file:
                    while piece := file.read(_PIECE):
                        found.update(piece)
            except OSError as error:
                self.look.failed(self.paths[key], error, "read")
                continue
            self.facts.checked.add(key)
            if found.hexdigest() != key.rpartition(":")[2]:
                self.facts.notice("digest-mismatch", f"{key} has content that does not match its digest", key)

    def _file(self, path: str, name: str) -> None:
        """Record a blob, a partial download, or another file: the server removes all that is not named like a blob."""
        info = self.look.info(path)
        if info is None or info.kind is not Is.FILE:
            return
        match = _BLOB.fullmatch(name)
        digest = f"sha256:{match[1]}" if match and match[1] == match[1].lower() else ""
        key = digest if digest and digest not in self.paths else escape_controls(path)
        self.facts.thing(key, "unknown" if match else "file", info.size, info.disk, modified=info.modified)
        if key == digest:
            self.paths[digest] = path
        elif match:
            self._notice("odd", path, "is a blob with another name than Ollama gives", key)
        elif _PARTIAL.fullmatch(name):
            message = upload(f"{key} is a partial download: it", info.size, info.modified)
            self.facts.notice("upload", message, key, self._whole(path))
        else:
            self._notice("junk", path, "is not named like a blob: the server removes it when it starts", key)

    def _linked(self, path: str, name: str) -> None:
        """Record a symbolic link in the place of a blob: removing it frees no content."""
        match = _BLOB.fullmatch(name)
        key = f"sha256:{match[1].lower()}" if match else escape_controls(path)
        self.facts.virtual_node(key, -1)
        target = self.look.target(path)
        if target is not None:
            self._notice("symlink", path, "is a symbolic link: removing it frees no content", key)

    def _manifest(self, data: bytes, media_type: str, modified: int) -> int:
        """Return the node of a manifest; it is a blob only where its digest is stored too."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if digest not in self.paths:
            self.facts.virtual_node(digest, modified)
        return self.facts.describe(Digest(digest), "manifest", media_type)

    def _link(self, source: int, manifest: Manifest) -> None:
        """Record the links of a manifest, and of the manifests that a list names."""
        for named in manifest.named:
            match = _BLOB.fullmatch(named.digest)
            if match is None:
                self.facts.notice("odd", f"{named.digest[:100]!a} is no digest: a manifest names no blob by it")
                continue
            digest = f"sha256:{match[1].lower()}"
            kind = "manifest" if named.position == "child" else named.position
            target = self.facts.describe(Digest(digest), kind, named.media_type)
            self.facts.link(source, target, named.position)
            self._check(digest, target, named)
            self._link_odd(source, named)
            if named.position == "child":
                self._link(target, self._child(digest))

    def _child(self, digest: str) -> Manifest:
        """Return a manifest that a list names; TooManyElementsError if it cannot be read."""
        data = self.look.read(self.paths[digest], LIMIT + 1) if digest in self.paths else None
        try:
            if data is not None and len(data) <= LIMIT:
                found = decode(data)
                if all(named.position != "child" for named in found.named):
                    return found
        except DocumentError:
            pass
        msg = f"its part {digest} cannot be read"
        raise TooManyElementsError(msg)

    def _check(self, digest: str, node: int, named: Named) -> None:
        """Record a blob that is missing, or has another size than its descriptor says."""
        facts = self.facts
        if facts.stored[node] == "missing":
            facts.notice("missing", f"{digest} is missing: a manifest names it as {named.position}", digest)
        elif facts.stored[node] == "yes" and named.size not in (-1, facts.size[node]):
            message = f"{digest} has {facts.size[node]:,} bytes where a descriptor says {named.size:,}"
            facts.notice("size-mismatch", message, digest)

    def _link_odd(self, source: int, named: Named) -> None:
        """Record a link to a blob whose name in blobs/ has digits in upper case, as the descriptor has."""
        key = f"blobs/{named.digest.replace(':', '-')}"
        if key in self.facts.ids:
            self.facts.link(source, self.facts.node(key), named.position)

    def _unread(self, name: str, group: str, data: bytes, why: str, modified: int) -> None:
        """Record a manifest that Ollama cannot read: its name holds nothing, though its model needs what it names."""
        node = self._manifest(data, "", modified)
        for digest in digests_in(data):
            if digest in self.paths:
                self.facts.link(node, self.facts.node(digest), "layer")
        self.facts.pin(node, name, "unread-tag", group, modified)
        message = f"the manifest of {name} cannot be read ({why}): Ollama does not list it, and keeps nothing for it"
        self.facts.notice("unread-manifest", message, name)

    def _unknown(self, name: str, group: str, why: str, modified: int) -> None:
        """Record a manifest that Ollama may be able to read, and blobkit is not: it may need any blob."""
        node = self.facts.virtual_node(f"manifest/{name}", modified)
        self.facts.opaque[node] = True
        self.facts.pin(node, name, "tag", group, modified)
        self.facts.notice("too-large", f"the manifest of {name} is not known: {why}", name)

    def _notice(self, code: str, path: str, what: str, key: str = "") -> None:
        self.facts.notice(code, f"{escape_controls(path)} {what}", key, self._whole(path))

    def _whole(self, path: str) -> str:
        return f"{self.look.source.address}/{path}"
