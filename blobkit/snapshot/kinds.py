"""The kinds of stores: one frozen record each. No other file knows a kind, a policy or a tool by name.

(A kind's scanner and its script file are the exceptions.) A record says how a store is recognised, which policies it
has, which tools collect in it and when these stop, which tools can drop references, and the advice to give. Pins and
links have kinds too, with the roles that analyses ask for. All of it is data; it also compiles to a filter in SQL.

To add a policy, a stop rule or a tool: add a row here. To add a kind: add a record here, a scanner, and a script file.
Sources: the OCI image and distribution specifications (1.1); distribution 2.8.2, `registry/storage/garbagecollect.go`;
umoci 0.4.7, `oci/casext/gc.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.errors import SnapshotFormatError, UnknownPolicyError
from blobkit.snapshot.dropping import Dropping

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LINKS",
    "LINK_KINDS",
    "PINS",
    "PIN_KINDS",
    "STORES",
    "Collector",
    "Kind",
    "LinkKind",
    "PinKind",
    "Policy",
    "StopRule",
    "collector",
    "collectors",
    "policy_of",
]


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

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_TYPES = frozenset({OCI_INDEX, OCI_MANIFEST})


@dataclass(frozen=True, slots=True)
class StopRule:
    """A reason for which a collector stops: a notice with this `code` about what it looks at, and what it says.

    A notice with the key of a node stops it where it reaches this node, one without a key always; `keyed`: only those
    with a key count. `late`: it stops only when it gets there; the key is the last digest that it may have removed by
    then, "" for none. `unsure`: what it does is not known, because blobkit does not see what the tool sees.
    """

    code: str
    reason: str
    late: bool = False
    keyed: bool = False
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Collector:
    """A tool's garbage collection: its `name` in questions, the `command`, the `version` of the rules, its stops."""

    name: str
    command: str
    version: str
    stops: tuple[StopRule, ...] = ()

    @property
    def codes(self) -> frozenset[str]:
        """The codes of the notices that stop it."""
        return frozenset(rule.code for rule in self.stops)


@dataclass(frozen=True, slots=True)
class Policy:
    """The pins that hold and the links that count, and how unreferenced blobs are found.

    `sources`: media types of the documents whose links count and that can be opaque, all where it is empty.
    `counting`: references are counted; else the store is marked and swept. `collector`: the tool whose rules these are,
    None for none. `complete`: the links that count are all that the tool itself reads, so that no document hides more.
    """

    store: str
    name: str
    pins: frozenset[str]
    links: frozenset[str]
    counting: bool = False
    sources: frozenset[str] = frozenset()
    collector: Collector | None = None
    complete: bool = False

    @property
    def by_name(self) -> bool:
        """Whether names that people gave hold what they name."""
        return any(kind.names for kind in PINS if kind.name in self.pins)

    @property
    def by_revision(self) -> bool:
        """Whether each manifest of a repository is held by a link of its own."""
        return any(kind.is_revision for kind in PINS if kind.name in self.pins)

    @property
    def tool(self) -> str:
        """The command of the collector that this describes, "" for none."""
        return self.collector.command if self.collector else ""

    @property
    def aborts(self) -> frozenset[str]:
        """The codes of the notices that stop this collector."""
        return self.collector.codes if self.collector else frozenset()


_NO_LIMITS = Dropping()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of store.

    `signs` tells how it is recognised. `policies`: the default first. `tools` can drop references, the default first.
    `collected_by` maps each policy to the name of the collector that scripts end with. `key_form`: a regular expression
    for keys of nodes that are no digests. `revisions`: the policy under which each manifest of a repository is held by
    a link of its own, "" where manifests have none. `advice` is about garbage; `note` a line of every audit.
    `leftovers` is advice about files that are no blobs.
    `shown`: what a collector sees that reads index.json in this store's directory, None where there is no such thing.
    `dropping`: what the first tool cannot drop. `by_hand`: the tool whose scripts remove files one by one, "" for none;
    it is used instead of a collector that would take what is needed.
    """

    name: str
    signs: str
    policies: tuple[Policy, ...]
    tools: tuple[str, ...] = ()
    collected_by: Mapping[str, str] = field(default_factory=dict)
    key_form: str = ""
    revisions: str = ""
    advice: str = ""
    note: str = ""
    leftovers: str = ""
    shown: Policy | None = None
    dropping: Dropping = _NO_LIMITS
    by_hand: str = ""

    @property
    def collectors(self) -> tuple[Collector, ...]:
        """The tools that collect in stores of this kind."""
        return tuple(policy.collector for policy in self.policies if policy.collector)

    def policy_for(self, collector: str) -> Policy | None:
        """Return the policy that describes this collector (by name), None where it does not collect here."""
        return next((p for p in self.policies if p.collector and p.collector.name == collector), None)


_BODY = frozenset(kind.name for kind in LINKS if kind.contains)
_NAMED = frozenset({"entry", "later-entry"})
_ENTRIES = _NAMED | {"referrer-entry"}
_REVISIONS = frozenset({"revision", "unseen-revision"})
_MARKED = frozenset({"revision", "mark"})
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"{_COMPONENT}(?:/{_COMPONENT})*"

UMOCI = Collector(
    "umoci",
    "umoci gc",
    "0.4.7",
    (
        StopRule("layout-file", "oci-layout is absent or not of version 1.0.0, or blobs is no directory"),
        StopRule("index-undecoded", "it cannot decode index.json"),
        StopRule("undecoded", "it reaches a document that it cannot decode"),
        StopRule("no-digest", "it reaches a descriptor without a digest"),
        StopRule("other-algorithm", "it reaches a blob of another algorithm than sha256"),
        StopRule("other-size", "it reaches a blob of another size than the descriptor says"),
        StopRule("missing", "it reaches a blob that is not stored"),
        StopRule("foreign", "it reaches a layer that is stored elsewhere"),
        StopRule("inline", "it reaches a blob that only its descriptor carries"),
        StopRule("dangling-subject", "it reaches a subject that is not stored"),
        StopRule("unopened", "it reaches a blob that is no readable file"),
        StopRule("unreadable", "it reaches a blob that cannot be read", keyed=True),
        StopRule("digest-mismatch", "it reaches a blob with other content than its digest says"),
        StopRule("too-large", "it reaches a document that is too large for blobkit to follow", unsure=True),
        StopRule("behind-link", "it reaches a blob behind a symbolic link that leaves the store", unsure=True),
        StopRule("sweep", "a name in blobs/sha256 is not that of a blob", late=True),
        StopRule("path", "the path of the layout is no valid pattern of names", late=True),
    ),
)
REGISTRY = Collector(
    "registry",
    "registry garbage-collect",
    "2.8.2",
    (
        StopRule("gc-name", "a directory with _layers has a path that is no name of a repository"),
        StopRule("gc-path", "a link file has a path that the program refuses (blanks, colons, other letters)"),
        StopRule("gc-link", "a revision link holds no digest"),
        StopRule("gc-file", "a file lies where it lists a directory, or a directory where it reads a file"),
        StopRule("gc-loop", "symbolic links lead in a circle, or one through another more than 40 times"),
        StopRule("gc-unreadable", "a directory or file may not be read"),
        StopRule("gc-manifest-json", "a manifest is no JSON object"),
        StopRule("gc-manifest-version", "a manifest has a schemaVersion other than 1 and 2"),
        StopRule("gc-manifest-type", "a manifest says a media type that it does not know"),
        StopRule("gc-manifest-field", "a field of a manifest has another type than it expects"),
        StopRule("gc-manifest-crash", "manifests has a wrong type in a manifest without a media type: it crashes"),
        StopRule("gc-manifest-size", "a manifest is larger than 4 MiB"),
        StopRule("gc-manifest-unread", "a manifest may not be read"),
        StopRule("gc-no-blobs", "there is no directory blobs"),
        StopRule("gc-data", "a file named data below blobs/ has a path that is no digest's"),
        StopRule("gc-data-crash", "a file named data lies below a name of one character: it crashes"),
        StopRule("gc-elsewhere", "a blob to remove is not where blobs of its digest are", late=True),
        StopRule("gc-manifest-many", "a manifest has more elements than blobkit reads", unsure=True),
        StopRule("gc-behind-link", "something lies behind a symbolic link that is not followed", unsure=True),
    ),
)
REGISTRY_M = Collector(
    "registry-m",
    "registry garbage-collect -m",
    "2.8.2",
    (
        *REGISTRY.stops,
        StopRule("gc-m-no-tags", "a repository has a manifest and no directory tags"),
        StopRule("gc-m-path", "a tag has a name that the program refuses"),
        StopRule("gc-m-link", "the current link of a tag holds no digest"),
        StopRule("gc-m-file", "a file lies where a directory of tags is, or a directory where a link is"),
        StopRule("gc-m-loop", "symbolic links among the tags lead in a circle"),
        StopRule("gc-m-unreadable", "a directory or link of tags may not be read"),
        StopRule("gc-m-gone", "an untagged manifest has no directory any more when its turn comes to be removed"),
        StopRule("gc-m-elsewhere", "a blob to remove is not where blobs of its digest are", late=True),
        StopRule("gc-m-behind-link", "tags lie behind a symbolic link that is not followed", unsure=True),
    ),
)

BLOBKIT = Kind(
    "blobkit",
    ".blobkit/index.sqlite",
    (Policy("blobkit", "counts", frozenset({"pin", "tag"}), _BODY | {"subject", "link"}, counting=True),),
    tools=("blobkit",),
    advice="blobkit fsck says why they are here",
    leftovers="blobkit fsck --repair moves them to quarantine, blobkit fsck --purge empties that",
    note="read from its index: content, twins and what images claim are not looked at (blobkit fsck reads content)",
    shown=Policy("blobkit", "shown", frozenset({"tag"}), _BODY | {"subject"}, sources=OCI_TYPES, collector=UMOCI),
)
OCI = Kind(
    "oci",
    "oci-layout, or index.json and blobs/",
    (
        Policy("oci", "dependent", _NAMED, _BODY | {"referrer"}),
        Policy(
            "oci",
            "strong",
            _ENTRIES | {"read-entry", "unread", "unswept"},
            _BODY | _MARKED | {"subject"},
            sources=OCI_TYPES,
            collector=UMOCI,
        ),
        Policy("oci", "ignore", _ENTRIES, _BODY),
    ),
    tools=("umoci", "rm"),
    collected_by={"dependent": "umoci", "strong": "umoci", "ignore": "umoci"},
    dropping=Dropping(
        takes=r"\A(?:[^\pC\pZ]| )*\z",
        refused="umoci takes no such name",
        nameless="umoci drops names only",
        partly="umoci drops all entries of a name",
    ),
    by_hand="rm",
    advice="umoci gc removes what its own rules call garbage: --policy strong shows that",
)
REGISTRIES = Kind(
    "registry",
    "docker/registry/v2/repositories",
    (
        Policy("registry", "tags", frozenset({"tag"}), _BODY),
        Policy("registry", "revisions", _REVISIONS, _BODY | {"revision"}),
        Policy("registry", "gc", frozenset({"revision"}), _MARKED, collector=REGISTRY, complete=True),
        Policy("registry", "gc-m", frozenset({"tagged-revision"}), _MARKED, collector=REGISTRY_M, complete=True),
    ),
    tools=("curl", "crane", "skopeo", "regctl"),
    collected_by={"tags": "registry", "revisions": "registry", "gc": "registry", "gc-m": "registry-m"},
    revisions="revisions",
    dropping=Dropping(
        takes=rf"\A{_REPOSITORY}(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}|@.*)\z",
        refused="no registry takes such a name",
        alone="docker-registry 2.8.2 cannot delete {} alone (HTTP 400)",
    ),
    advice="garbage-collect removes what its own rules call garbage: --policy gc or gc-m shows that",
)
GO_BLOBSTORE = Kind(
    "go-blobstore",
    "blobs/<digest>/info.json",
    (Policy("go-blobstore", "counts", frozenset({"pin"}), frozenset({"link"}), counting=True),),
    advice="no program removes them: take away their directories",
)

STORES = {kind.name: kind for kind in (BLOBKIT, OCI, REGISTRIES, GO_BLOBSTORE)}
"""Every kind of store, by name."""


def policy_of(store: str, name: str) -> Policy:
    """Return the policy of this name ("" the default) for a kind of store.

    SnapshotFormatError where the kind is not known, UnknownPolicyError where it has no such policy.
    """
    if store not in STORES:
        msg = f"no policy is known for stores of the kind {store!r}: it needs a newer blobkit"
        raise SnapshotFormatError(msg)
    policies = STORES[store].policies
    for policy in policies:
        if name in (policy.name, ""):
            return policy
    msg = f"no policy {name!r} for {store} stores: use one of {', '.join(policy.name for policy in policies)}"
    raise UnknownPolicyError(msg)


def collectors() -> tuple[str, ...]:
    """Return the names of all collectors."""
    return tuple(dict.fromkeys(one.name for kind in STORES.values() for one in kind.collectors))


def collector(name: str) -> Collector:
    """Return the collector of this name; KeyError where there is none."""
    return {one.name: one for kind in STORES.values() for one in kind.collectors}[name]
