"""The types of the records in `stores/`: stop rules, collectors, policies, kinds of stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.references import PINS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Collector", "Kind", "Policy", "Server", "StopRule"]


@dataclass(frozen=True, slots=True)
class StopRule:
    """A reason why a collector stops: the `code` of the notice about it, and the `reason` in words.

    A notice with the key of a node stops the collector if it reaches this node; one without a key stops it always.
    `keyed`: only notices with a key count. `late`: it stops only during the removal; the key is the last digest that
    it may have removed before, "" for none. `unsure`: blobkit does not see what the tool sees, so it may stop or not.
    """

    code: str
    reason: str
    late: bool = False
    keyed: bool = False
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Collector:
    """The garbage collection of a tool: its short `name`, its `command`, the `version` of the tool, its stop rules.

    `figure`: another name, that of a command which says how much it would free; "" for none.
    """

    name: str
    command: str
    version: str
    stops: tuple[StopRule, ...] = ()
    figure: str = ""

    @property
    def codes(self) -> frozenset[str]:
        """The codes of the notices that stop it."""
        return frozenset(rule.code for rule in self.stops)


@dataclass(frozen=True, slots=True)
class Policy:
    """The kinds of pins that hold and of links that count, and how unreferenced blobs are found.

    `sources`: media types of the documents whose links count and that can be opaque; empty for all types.
    `counting`: the store counts references; else it marks and sweeps. `collector`: the tool with these rules, or None.
    `complete`: the tool itself reads no other links than these, so no document is opaque because of others.
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
        """Whether names that people gave hold their blobs."""
        return any(kind.names for kind in PINS if kind.name in self.pins)

    @property
    def by_revision(self) -> bool:
        """Whether each manifest of a repository is held by a link of its own."""
        return any(kind.is_revision for kind in PINS if kind.name in self.pins)

    @property
    def tool(self) -> str:
        """The command of the policy's collector, "" for none."""
        return self.collector.command if self.collector else ""

    @property
    def aborts(self) -> frozenset[str]:
        """The codes of the notices that stop this collector."""
        return self.collector.codes if self.collector else frozenset()


@dataclass(frozen=True, slots=True)
class Server:
    """The server of a store on another machine: its `host`, with the port if the address has one.

    `plain`: it is asked by HTTP without TLS. `vendor`: whose commands delete there, "" for those of every registry.
    `frees`: who frees the bytes of what was deleted, at a time that nobody else knows; "" if a collector is known.
    """

    host: str
    plain: bool = False
    vendor: str = ""
    frees: str = ""


_NO_LIMITS = Dropping()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of store.

    `signs`: the files that it is recognised by. `policies`: the default first. `tools`: the programs that can drop
    references, the default first. `collected_by` maps each policy to the name of the collector that scripts end with.
    `key_form`: a regular expression for keys of nodes that are not digests. `revisions`: the policy under which a
    revision link holds each manifest of a repository, "" if manifests have no such link. `advice` is about garbage,
    `leftovers` about files that are not blobs; `note` is a line of every audit. `shown`: the policy of a collector
    that reads the index.json in this store's directory, None if there is none. `dropping`: the limits of the default
    tool. `by_hand`: the tool whose scripts remove files one by one, "" for none; it replaces a collector that would
    remove needed blobs.

    `scanner`: the module that scans it, "" for blobkit's own stores. `remote`: the modules that scan it on another
    machine, by the transport in its address (`registry+https://...`). `found_by`: each text is a way to recognise it,
    relative paths with blanks between that must all exist (`*` stands for a part of a name, a last `/` asks for a
    directory). `is_file`: it is one file, an archive. `aliases`: more names for it in addresses. `places`: where its
    tool keeps it by default, with `$VARIABLE` for a part that the environment gives and `~` for the home directory.
    `needed`: the policy by which comparisons with a collector judge what is needed, "" for the default. `beside`: names
    of directories that lie beside such a store and are none, with what each is.
    `prunes`: commands of its tool that drop all pins of a group which is no repository, by group.
    `unshare`: the command that lets users look at files of theirs that have another owner's number, "" for none.
    `server`: the server of a store on another machine, None for a store on a disk or in a bucket.
    """

    name: str
    signs: str
    policies: tuple[Policy, ...]
    scanner: str = ""
    remote: Mapping[str, str] = field(default_factory=dict)
    found_by: tuple[str, ...] = ()
    is_file: bool = False
    aliases: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    unshare: str = ""
    tools: tuple[str, ...] = ()
    collected_by: Mapping[str, str] = field(default_factory=dict)
    needed: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
    prunes: Mapping[str, str] = field(default_factory=dict)
    key_form: str = ""
    revisions: str = ""
    advice: str = ""
    note: str = ""
    leftovers: str = ""
    shown: Policy | None = None
    dropping: Dropping = _NO_LIMITS
    by_hand: str = ""
    server: Server | None = None

    def freed_later(self, policy: str) -> str:
        """Return who frees the bytes of what a script deletes, at a time of its own; "" if the script does it."""
        return self.server.frees if self.server and policy not in self.collected_by else ""

    @property
    def judge(self) -> str:
        """The policy that judges what is needed when a collector is compared with names."""
        return self.needed or self.policies[0].name

    @property
    def without_names(self) -> str:
        """Fate of garbage if no name is dropped."""
        freed = self.collected_by or not self.advice or self.policies[0].counting
        return "they are freed without dropping a name" if freed else self.advice

    @property
    def collectors(self) -> tuple[Collector, ...]:
        """The collectors for stores of this kind."""
        return tuple(policy.collector for policy in self.policies if policy.collector)

    def policy_for(self, collector: str) -> Policy | None:
        """Return the policy with the rules of this collector (by name), None if it does not work on this kind."""
        known = ((policy, policy.collector) for policy in self.policies if policy.collector and collector)
        return next((policy for policy, one in known if collector in (one.name, one.figure)), None)
