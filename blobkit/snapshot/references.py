"""The kinds of links and pins, with the roles that analyses ask for. Saved snapshots name them by text."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LINKS", "LINK_KINDS", "PINS", "PIN_KINDS", "LinkKind", "PinKind"]


@dataclass(frozen=True, slots=True)
class LinkKind:
    """A kind of link and its roles.

    `contains`: a pull of the source needs the target. `needs`: the source is damaged where the target is absent.
    `by_digest`: the source holds the digest of the target, so the target cannot link back. `opens`: a collector that
    counts this link reads the target and follows its links. `stands_for`: the source is a virtual node for the target.
    `refers`: the source is about the target, as a signature is.
    """

    name: str
    contains: bool = False
    needs: bool = False
    by_digest: bool = False
    opens: bool = True
    stands_for: bool = False
    refers: bool = False


@dataclass(frozen=True, slots=True)
class PinKind:
    """A kind of pin and its roles.

    `names`: people gave its name to the node. `is_revision`: it is a manifest's own link in a repository, which goes
    when the manifest is deleted by its digest. `goes_along`: it goes when a revision of its repository does.
    `is_alias`: it is another name for the pins that its virtual node `name@digest` tells, and holds nothing.
    `is_twin`: it is one with the pin of the same name on what its virtual node stands for. `is_alone`: the links of the
    node that it is on do not count, and no one can drop it.
    """

    name: str
    names: bool = False
    is_revision: bool = False
    goes_along: bool = False
    is_alias: bool = False
    is_twin: bool = False
    is_alone: bool = False


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
)
"""Every kind of link: config, layer, child and subject are positions in a manifest, referrer is subject reversed; link
is set by hand; revision leads from a virtual node (`repository@digest`) to the manifest that it stands for, mark to
what a collector marks for it; stored-as from a sha512 digest to the sha256 blob with its bytes; index-subject is the
subject of an index, which umoci does not look at. Saved snapshots name them by text."""

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
)
"""Every kind of pin: pin is anonymous; entry, referrer-entry and later-entry are entries of an index.json, the last one
with a name that an earlier entry gives to another blob; tagged-revision is a tag on the virtual node of its revision;
the unseen ones are of repositories that the registry's collector passes over. read-entry is an entry on the virtual
node `entry-N@digest`, where umoci does not follow the links of documents; unread (of count 0, so that it holds nothing)
is on each of these documents, unswept on a blob that a collector never removes and does not follow. ref-name is the
reference name of an entry that has a whole name too: it holds nothing, and is on the virtual node `name@digest`."""

LINK_KINDS = tuple(kind.name for kind in LINKS)
PIN_KINDS = tuple(kind.name for kind in PINS)
