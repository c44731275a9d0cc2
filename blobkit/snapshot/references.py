"""The kinds of links and pins, with the roles that analyses use. Saved snapshots name them by text."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LINKS", "LINK_KINDS", "PINS", "PIN_KINDS", "LinkKind", "PinKind"]


@dataclass(frozen=True, slots=True)
class LinkKind:
    """A kind of link and its roles.

    `contains`: a pull of the source needs the target. `needs`: the source is damaged if the target is absent.
    `by_digest`: the source contains the digest of the target, so the target cannot link back. `opens`: a collector that
    counts this link reads the target and follows its links. `stands_for`: the source is a virtual node for the target.
    `refers`: the source describes the target, as a signature does. `uses`: the source runs from the target.
    """

    name: str
    contains: bool = False
    needs: bool = False
    by_digest: bool = False
    opens: bool = True
    stands_for: bool = False
    refers: bool = False
    uses: bool = False


@dataclass(frozen=True, slots=True)
class PinKind:
    """A kind of pin and its roles.

    `names`: people gave its name to the node. `is_revision`: it is a manifest's own link in a repository; deleting the
    manifest by its digest removes it. `goes_along`: it is dropped with a revision of its repository. `is_alias`: it is
    another name for the pins in the key of its virtual node `name@digest`, and holds nothing. `is_twin`: it and the
    pin of the same name on the blob of its virtual node are the same pin. `is_alone`: the links of its node do not
    count, and the pin cannot be dropped. `follows`: it is dropped with the last tag of its group on its node.
    `runs`: it is on something that runs. `is_second`: it is one more name of its node; under a policy in which it does
    not hold, it means the pins that do, and is dropped with them. `is_left`: it is on garbage that a tool leaves where
    it is. `has_data`: it is on something with data of its own, such as a container: a plan never drops it.
    """

    name: str
    names: bool = False
    is_revision: bool = False
    goes_along: bool = False
    is_alias: bool = False
    is_twin: bool = False
    is_alone: bool = False
    follows: bool = False
    runs: bool = False
    is_second: bool = False
    is_left: bool = False
    has_data: bool = False


LINKS = (
    LinkKind("config", contains=True, needs=True, by_digest=True),
    LinkKind("layer", contains=True, needs=True, by_digest=True),
    LinkKind("child", contains=True, needs=True, by_digest=True),
    LinkKind("subject", by_digest=True, refers=True),
    LinkKind("referrer"),
    LinkKind("link"),
    LinkKind("revision", needs=True, stands_for=True),
    LinkKind("mark", needs=True, opens=False),
    LinkKind("stored-as", contains=True, needs=True, opens=False),
    LinkKind("index-subject", by_digest=True, refers=True),
    LinkKind("label", contains=True),
    LinkKind("content", contains=True, needs=True, stands_for=True),
    LinkKind("gc-snapshot"),
    LinkKind("parent-layer", contains=True, needs=True),
    LinkKind("top", contains=True, needs=True),
    LinkKind("parent-image"),
    LinkKind("uses", needs=True, uses=True),
    LinkKind("file", contains=True, needs=True),
    LinkKind("shared", contains=True, needs=True),
    LinkKind("repo"),
    LinkKind("residue"),
    LinkKind("legacy"),
    LinkKind("partial"),
    LinkKind("unlisted", contains=True, needs=True),
)
"""Every kind of link. config, layer, child and subject are positions in a manifest; referrer is subject reversed; link
is set by hand. revision leads from a virtual node (`repository@digest`) to its manifest, mark to a blob that a
collector marks for that node. stored-as leads from a sha512 digest to the sha256 blob with the same bytes.
index-subject is the subject of an index, which umoci ignores.

containerd: label leads from a namespace's claim (`namespace/digest`) to another claim, content to the blob of a claim,
gc-snapshot to a snapshot. parent-layer leads from a layer or snapshot to the one below it, top from an image to its
last layer, parent-image to the image that it was built on, uses from a container to its image and layer. file leads
from a revision to a file of it, shared to the file that a link leads to, repo from a revision to its repository,
residue from a repository to files that no revision names, partial to downloads that are not complete. unlisted is like
shared, but the tool of the store does not know the link. legacy leads from an image to documents of older formats."""

PINS = (
    PinKind("pin"),
    PinKind("tag", names=True, goes_along=True),
    PinKind("entry", names=True),
    PinKind("referrer-entry", names=True),
    PinKind("revision", is_revision=True),
    PinKind("tagged-revision", goes_along=True),
    PinKind("unseen-revision", is_revision=True),
    PinKind("unseen-tagged-revision", goes_along=True),
    PinKind("later-entry", names=True),
    PinKind("read-entry", is_twin=True),
    PinKind("unread", is_alone=True),
    PinKind("unswept", is_alone=True),
    PinKind("ref-name", is_alias=True),
    PinKind("image", names=True),
    PinKind("container", has_data=True),
    PinKind("gc.root"),
    PinKind("lease"),
    PinKind("unnamed"),
    PinKind("volume", has_data=True),
    PinKind("cache"),
    PinKind("digest", names=True, follows=True),
    PinKind("ref", names=True, is_second=True),
    PinKind("first-ref", names=True),
    PinKind("detached", names=True),
    PinKind("commit", is_second=True),
    PinKind("unpruned"),
    PinKind("unread-tag", names=True),
    PinKind("tagged-digest", follows=True),
    PinKind("running", runs=True, has_data=True),
    PinKind("left", is_left=True),
    PinKind("unrecorded", is_left=True),
    PinKind("lower", is_alone=True),
)
"""Every kind of pin. pin is anonymous. entry, referrer-entry and later-entry are entries of an index.json: the second
without a name, for a referrer whose subject is stored, the last with a name that an earlier entry gives to another
blob. tagged-revision is a tag on the virtual node of its revision; the unseen kinds are for repositories that the
registry's collector skips. read-entry is an entry on the virtual node `entry-N@digest`, used if umoci does not follow
the links of documents; unread (count 0: it holds nothing) is on each of these documents. unswept is on a blob that a
collector never removes and does not follow. ref-name is the reference name of an entry that also has a full name: it
holds nothing, and is on the virtual node `name@digest`.

image is an image of a containerd namespace; gc.root and lease are what else holds content there. unnamed is an image
without a name, container and volume are what an engine runs and keeps, cache is a record of BuildKit, digest a name
`repository@digest` of a repository without a tag on that image, tagged-digest one with such a tag, and running a
container that runs. ref and first-ref are branches and tags that name a revision in a cache: of several, one is the
first. detached is a revision that none names. commit is the name of a revision by its hash, and holds nothing. unpruned
is on what a tool's pruning does not look at. unread-tag is a tag with a manifest that its tool cannot read. left is on
a layer with a record that nothing names, unrecorded on a directory without a record: podman leaves both when it removes
images. lower is on what a layer that is never removed is built on, or a layer in use is mounted on."""

LINK_KINDS = tuple(kind.name for kind in LINKS)
PIN_KINDS = tuple(kind.name for kind in PINS)
