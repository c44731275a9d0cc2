"""Random histories of a store, and how to play one: on a store, and on the oracle.

Few blobs and names, so that verbs meet; manifests that name other blobs, which may come later; links mostly from
higher to lower blobs, and steps that build chains and diamonds, so that removals cascade. How often they do is measured
by the test that uses this: a generator that never reaches the hard case proves nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from blobkit.digest import of, split
from blobkit.errors import BlobkitError
from blobkit.testing.model import Broken

if TYPE_CHECKING:
    from blobkit.digest import Digest
    from blobkit.model import Freed
    from blobkit.store.methods import Verbs
    from blobkit.testing.model import Gone, Model

__all__ = ["BLOBS", "Content", "Step", "aim", "histories", "play", "play_model", "state"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Content(NamedTuple):
    """A blob of the histories: its bytes and what they name."""

    digest: Digest
    data: bytes
    media_type: str = ""
    names: frozenset[str] = frozenset()


class Step(NamedTuple):
    """One verb: blobs by their number in BLOBS, a name by its number; what a verb does not need it ignores."""

    verb: str
    blob: int
    other: int = 0
    blobs: frozenset[int] = frozenset()
    name: int = 0
    flag: bool = False


def _plain(number: int) -> Content:
    data = b"%d" % number * (1 + number * 7)
    algorithm = ("sha256", "sha512", "sha384", "sha256")[number % 4]
    return Content(of(data, algorithm), data)


def _document(media_type: str, field: str, parts: list[Content]) -> Content:
    named = [{"mediaType": p.media_type or "application/x", "digest": p.digest, "size": len(p.data)} for p in parts]
    data = json.dumps({"schemaVersion": 2, "mediaType": media_type, field: named}).encode()
    return Content(of(data), data, media_type, frozenset(part.digest for part in parts))


def _blobs() -> tuple[Content, ...]:
    plain = [_plain(number) for number in range(8)]
    manifests = [_document(MANIFEST, "layers", plain[i : i + 3]) for i in (0, 2, 4)]
    return (*plain, *manifests, _document(INDEX, "manifests", manifests[:2]))


BLOBS = _blobs()
NAMES = ("latest", "v1.0", "app/web")
AIMED = ("drop", "drop", "drop", "drop", "sever", "unname", "name", "name", "join", "join", "seed")
"""Verbs that `aim` turns into plain ones that find something to do; a seed commits what is absent."""


def histories(length: int = 40) -> st.SearchStrategy[list[Step]]:
    """Return a strategy of histories of up to `length` steps."""
    parts = st.lists(st.one_of(_steps(), _shapes(), _shapes()), min_size=length // 4, max_size=length)
    return parts.map(lambda lists: [step for steps in lists for step in steps])


def _steps() -> st.SearchStrategy[list[Step]]:
    verbs = ["put", "put", "commit", "ref", "deref", "deref", "link", "link", "unlink", "tag", "untag", "put-tag"]
    blob = st.integers(0, len(BLOBS) - 1)
    return st.builds(
        lambda *parts: [Step(*parts)],
        st.sampled_from(verbs),
        blob,
        blob,
        st.one_of(st.just(frozenset()), st.frozensets(blob, max_size=3)),
        st.integers(0, len(NAMES) - 1),
        st.booleans(),
    )


def _shapes() -> st.SearchStrategy[list[Step]]:
    """Return a strategy of steps that build a chain, a diamond or an image held by one pin, or drop one again."""
    chain = st.integers(2, len(BLOBS)).map(_chain)
    diamond = st.permutations(range(8)).map(lambda four: _diamond(*sorted(four[:4])))
    image = st.integers(8, len(BLOBS) - 1).map(lambda top: [*(Step("seed", i) for i in range(top)), Step("put", top)])
    blob = st.integers(0, len(BLOBS) - 1)
    aimed = st.builds(
        lambda verb, which, other, name, flag: [Step(verb, which, other, name=name, flag=flag)],
        st.sampled_from(AIMED),
        blob,
        blob,
        st.integers(0, len(NAMES) - 1),
        st.booleans(),
    )
    weights = (aimed, aimed, aimed, aimed, aimed, aimed, diamond, chain, image)  # one_of knows no weights
    return st.sampled_from(range(len(weights))).flatmap(lambda which: weights[which])


def _chain(length: int) -> list[Step]:
    return [Step("seed", 0), *(Step("put", i, blobs=frozenset({i - 1})) for i in range(1, length))]


def _diamond(bottom: int, left: int, right: int, top: int) -> list[Step]:
    under = frozenset({bottom})
    sides = [Step("put", left, blobs=under), Step("put", right, blobs=under)]
    return [Step("seed", bottom), *sides, Step("put", top, blobs=frozenset({left, right}))]


def aim(step: Step, model: Model) -> Step:
    """Return the step with its blob chosen among those that it can do something to: what is pinned, named or linked."""
    here = sorted(model.anonymous)
    candidates: dict[str, list[str]] = {
        "drop": sorted(blob for blob, pins in model.anonymous.items() if pins),
        "sever": sorted(f"{from_} {to}" for from_, to in model.links),
        "unname": sorted(model.tags),
        "name": here,
        "join": here,
        "seed": [digest for digest in (BLOBS[step.blob].digest,) if digest not in model.anonymous],
    }
    if step.verb not in candidates:
        return step
    found = candidates[step.verb]
    if not found:
        return step._replace(verb="commit") if step.verb != "seed" else aim(step._replace(verb="drop"), model)
    return _aimed(step, found[step.blob % len(found)], found[step.other % len(found)])


def _aimed(step: Step, target: str, other: str) -> Step:
    match step.verb:
        case "sever":
            from_, to = map(_number, target.split())
            return step._replace(verb="unlink", blob=to, other=from_)
        case "unname":
            return step._replace(verb="untag", name=NAMES.index(target))
        case "join":
            return step._replace(verb="link", blob=_number(target), other=_number(other))
        case verb:
            plain = {"drop": "deref", "name": "tag", "seed": "commit"}[verb]
            return step._replace(verb=plain, blob=_number(target))


def _number(digest: str) -> int:
    return next(number for number, blob in enumerate(BLOBS) if blob.digest == digest)


def play(store: Verbs, step: Step, *, dry_run: bool = False) -> Gone | str:
    """Do a step in a store or a batch; return what went, level by level, or the name of the error.

    A dry run does only what can be one.
    """
    try:
        return _levels(_done(store, step, dry_run=dry_run))
    except BlobkitError as error:
        return type(error).__name__


def _done(store: Verbs, step: Step, *, dry_run: bool) -> Freed | None:
    blob, other, name = BLOBS[step.blob], BLOBS[step.other].digest, NAMES[step.name]
    match step.verb:
        case "deref":
            return store.simulate_deref(blob.digest) if dry_run else store.deref(blob.digest)
        case "unlink":
            return store.unlink(blob.digest, other, dry_run=dry_run)
        case "tag":
            return store.tag(name, blob.digest, move=step.flag, transfer=step.other % 2 == 0, dry_run=dry_run)
        case "untag":
            return store.untag(name, dry_run=dry_run)
        case _ if dry_run:
            return None
        case "ref":
            store.ref(blob.digest)
        case "link":
            store.link(blob.digest, other, transfer=step.flag)
        case "commit":
            with store.new_writer(split(blob.digest)[0]) as writer:
                writer.write(blob.data)
        case _:
            tag = name if step.verb == "put-tag" else None
            links = [BLOBS[i].digest for i in step.blobs]
            algorithm = split(blob.digest)[0]
            store.put(blob.data, algorithm=algorithm, media_type=blob.media_type, links=links, tag=tag, move=step.flag)
    return None


def play_model(model: Model, step: Step) -> Gone | str:
    """Do a step on the oracle; return the same as `play`. A step that breaks a rule leaves the model as it was."""
    trial = model.copy()
    try:
        gone = _modelled(trial, step)
    except Broken as error:
        return str(error)
    vars(model).update(vars(trial))
    return gone or ()


def _modelled(model: Model, step: Step) -> Gone | None:
    blob, other, name = BLOBS[step.blob], BLOBS[step.other].digest, NAMES[step.name]
    match step.verb:
        case "deref":
            return model.deref(blob.digest)
        case "unlink":
            return model.unlink(blob.digest, other)
        case "tag":
            return model.tag(name, blob.digest, move=step.flag, transfer=step.other % 2 == 0)
        case "untag":
            return model.untag(name)
        case "ref":
            model.ref(blob.digest)
        case "link":
            model.link(blob.digest, other, transfer=step.flag)
        case "commit":
            return model.put(blob.digest)
        case _:
            given = frozenset(BLOBS[i].digest for i in step.blobs)
            tag = name if step.verb == "put-tag" else None
            named = frozenset() if given else blob.names
            model.put(blob.digest, blob.media_type, given=given, named=named, tag=tag, move=step.flag)
    return None


def state(store: Verbs) -> dict[str, tuple[int, int, tuple[str, ...], tuple[str, ...], str]]:
    """Return refcount, pins, links, tags and media type of every blob of a store."""
    known = {digest: store.get(digest) for digest in store}
    return {d: (b.refcount, b.pins, tuple(b.links), b.tags, b.media_type) for d, b in known.items()}


def _levels(freed: Freed | None) -> Gone:
    """Return the digests of each level."""
    gone = []
    at = 0
    for blobs, _ in freed.levels if freed else ():
        gone.append(tuple(map(str, freed.digests[at : at + blobs])) if freed else ())
        at += blobs
    return tuple(gone)
