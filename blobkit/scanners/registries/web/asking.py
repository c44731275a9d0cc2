"""Ask a registry for what a scan needs, and take each answer for what it says."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, cast

from blobkit.digest import Digest, is_digest, matches, of
from blobkit.errors import CredentialsError
from blobkit.oci.documents import DOCUMENT_LIMIT, OCI_INDEX
from blobkit.oci.untrusted import parse_json
from blobkit.scanners.registries.web.names import TAG, Names, names_in
from blobkit.sources.web.refusals import CATALOG, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blobkit.oci.untrusted import Json
    from blobkit.sources.web.client import Client
    from blobkit.sources.web.transport import Answer

__all__ = ["ACCEPT", "Failure", "Got", "Registry", "State", "refused"]

ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.artifact.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1, "
    "application/vnd.docker.distribution.manifest.v1+json;q=0.1"
)
"""If one of these is left out, some registries answer that the tag is unknown, others with another manifest."""
OK, NOT_FOUND, NOT_ALLOWED = 200, 404, frozenset({405, 501})
NOTHING = Digest(f"sha256:{'0' * 64}")
"""A digest that no content has: its referrers are asked for, to see whether a registry has the referrers API."""
LIMIT = DOCUMENT_LIMIT + 1


class State(Enum):
    """The reasons why there is no content: the registry says that it is gone, or it cannot be read.

    The values are the codes of notices.
    """

    GONE = "missing"
    DENIED = "not-permitted"
    UNREAD = "unreadable"
    WRONG = "digest-mismatch"
    LARGE = "too-large"


class Failure(NamedTuple):
    """The reason why there is no content, in one word and in words; the error, if it is about permission."""

    state: State
    why: str
    error: CredentialsError | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the registry says that there is no such thing."""
        return self.state is State.GONE


class Got(NamedTuple):
    """The digest that a tag names, or why there is none; the content, if it had to be read for that."""

    digest: Digest | None
    content: bytes | None = None
    failure: Failure | None = None
    left: str = ""


class Registry:
    """Asks one registry. CredentialsError is raised only if a login failed; what is not permitted is a failure."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def catalog(self) -> AsyncIterator[Json]:
        """Return the pages of the list of repositories; NotListableError while they are read, if there is none."""
        return self._client.pages("/v2/_catalog?n=1000", purpose="catalog", scope=CATALOG)

    async def tags(self, name: str) -> Names | Failure:
        """Return the tags of a repository."""
        try:
            return await names_in(
                self._client.pages(f"/v2/{name}/tags/list?n=1000", purpose="tags", scope=_scope(name)), "tags", TAG
            )
        except (CredentialsError, RefusedError) as error:
            return refused(error)

    async def tag(self, name: str, tag: str) -> Got:
        """Return the digest that a tag names: by HEAD, or by GET if the registry does not say it there."""
        try:
            answer = await self._manifest(name, tag, "HEAD", "tag")
            if answer.status in NOT_ALLOWED or (answer.status == OK and not is_digest(_digest(answer))):
                return _hashed(await self._manifest(name, tag, "GET", "tag without digest"))
        except CredentialsError as error:
            return Got(None, failure=refused(error))
        if answer.status != OK:
            return Got(None, failure=_failure(answer))
        return Got(Digest(_digest(answer)), left=answer.headers.get("RateLimit-Remaining", "").partition(";")[0][:20])

    async def manifest(self, name: str, digest: Digest) -> bytes | Failure:
        """Return a manifest of a repository, whose hash is right."""
        try:
            answer = await self._manifest(name, digest, "GET", "manifest")
        except CredentialsError as error:
            return refused(error)
        return _checked(answer, digest)

    async def blob(self, name: str, digest: Digest) -> bytes | Failure:
        """Return a small blob of a repository, whose hash is right."""
        path = f"/v2/{name}/blobs/{digest}"
        try:
            answer = await self._client.get(path, limit=LIMIT, purpose="config", scope=_scope(name))
        except CredentialsError as error:
            return refused(error)
        return _checked(answer, digest)

    async def size(self, name: str, digest: Digest) -> int | Failure:
        """Return the bytes of a blob; -1 if the registry has it, and does not say how many."""
        path = f"/v2/{name}/blobs/{digest}"
        try:
            answer = await self._client.get(path, method="HEAD", purpose="blob", scope=_scope(name))
        except CredentialsError as error:
            return refused(error)
        if answer.status != OK:
            return _failure(answer)
        text = answer.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and int(text[:20]) < 1 << 63 else -1

    async def lists_referrers(self, name: str) -> bool:
        """Return whether there is a referrers API (OCI 1.1); CredentialsError if this repository is not readable."""
        path = f"/v2/{name}/referrers/{NOTHING}"
        answer = await self._client.get(path, accept=ACCEPT, purpose="probe", scope=_scope(name))
        return answer.status == OK and b'"manifests"' in answer.body

    def referrers(self, name: str, digest: Digest) -> AsyncIterator[Json]:
        """Return the pages of the list of a manifest's referrers; the errors of refusals while they are read."""
        path = f"/v2/{name}/referrers/{digest}"
        return self._client.pages(path, purpose="referrers", scope=_scope(name), accept=OCI_INDEX)

    async def _manifest(self, name: str, reference: str, method: str, purpose: str) -> Answer:
        path = f"/v2/{name}/manifests/{reference}"
        return await self._client.get(
            path, method=method, accept=ACCEPT, limit=LIMIT, purpose=purpose, scope=_scope(name)
        )


def _scope(name: str) -> str:
    return f"repository:{name}:pull"


def _digest(answer: Answer) -> str:
    return answer.headers.get("Docker-Content-Digest", "")


def _hashed(answer: Answer) -> Got:
    """Return the digest of the content of an answer."""
    body = _body(answer)
    if isinstance(body, Failure):
        return Got(None, failure=body)
    content = _payload(body) or body
    return Got(of(content), content)


def _checked(answer: Answer, digest: Digest) -> bytes | Failure:
    """Return the content of an answer, if its hash is right."""
    body = _body(answer)
    if isinstance(body, Failure) or matches(body, digest):
        return body
    payload = _payload(body)
    if payload is not None and matches(payload, digest):
        return payload
    return Failure(State.WRONG, "its content does not match its digest")


def _body(answer: Answer) -> bytes | Failure:
    """Return the body of an answer that has one, and a whole one."""
    if answer.status != OK:
        return _failure(answer)
    if len(answer.body) > DOCUMENT_LIMIT:
        return Failure(State.LARGE, f"it is larger than {DOCUMENT_LIMIT >> 20} MiB")
    return answer.body


def _payload(body: bytes) -> bytes | None:
    """Return the signed content of a manifest of schema 1, whose digest is without the signatures; None for others.

    JSON Web Signatures as docker's libtrust writes them: the first `formatLength` bytes, then `formatTail`.
    """
    if b'"signatures"' not in body or b'"fsLayers"' not in body:
        return None
    try:
        signatures = cast("list[dict[str, str]]", parse_json(body, frozenset())["signatures"])
        protected = cast("dict[str, str]", parse_json(_decoded(signatures[0]["protected"]), frozenset()))
        return body[: int(protected["formatLength"])] + _decoded(protected["formatTail"])
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _failure(answer: Answer) -> Failure:
    if answer.status == NOT_FOUND:
        return Failure(State.GONE, "the registry answers 404")
    return Failure(State.UNREAD, f"the registry answers {answer.status}" if answer.status else "no answer comes whole")


def refused(error: CredentialsError | RefusedError) -> Failure:
    """Return the failure of a refusal; raise the error if a login failed: nothing else will be answered then."""
    if isinstance(error, CredentialsError):
        if error.is_login:
            raise error
        return Failure(State.DENIED, "this user may not read it", error)
    if error.status == NOT_FOUND:
        return Failure(State.GONE, "the registry answers 404")
    return Failure(State.UNREAD, f"the registry answers {error.status}" if error.status != OK else "it cannot be read")
