"""The types of the records in `kinds.py`: stop rules, collectors, policies, kinds of stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.references import PINS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Collector", "Kind", "Policy", "StopRule"]


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
