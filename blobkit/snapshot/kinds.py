"""The kinds of stores by name, and look-ups in their records. The records are in `stores/`, one file for each kind.

A record tells how a store is recognised and where its tool keeps it, its policies, the collectors of its tools and when
these stop, the tools that can drop references, and the advice to show. Only a kind's scanner and script file also know
its names. Kinds of links and pins are in `references.py`. All of this is data: a filter in SQL can be made from it too.

To add a policy, a stop rule or a tool, add a row to a record. To add a kind, add a record, a scanner, and a script
file.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from blobkit.errors import SnapshotFormatError, UnknownPolicyError
from blobkit.render import choices
from blobkit.snapshot.stores.archives import DOCKER_ARCHIVE, OCI_ARCHIVE
from blobkit.snapshot.stores.blobkit import BLOBKIT
from blobkit.snapshot.stores.containerd import CONTAINERD
from blobkit.snapshot.stores.containers_storage import CONTAINERS_STORAGE
from blobkit.snapshot.stores.docker import DOCKER
from blobkit.snapshot.stores.go_blobstore import GO_BLOBSTORE
from blobkit.snapshot.stores.hosted import HOSTED, hosted
from blobkit.snapshot.stores.huggingface import HUGGINGFACE
from blobkit.snapshot.stores.oci import OCI
from blobkit.snapshot.stores.ollama import OLLAMA
from blobkit.snapshot.stores.registry import REGISTRIES

if TYPE_CHECKING:
    from blobkit.snapshot.records import Collector, Kind, Policy

__all__ = ["RECORDS", "STORES", "collector", "collectors", "policy_of", "store_of"]

_KINDS = (
    BLOBKIT,
    OCI,
    REGISTRIES,
    GO_BLOBSTORE,
    CONTAINERD,
    DOCKER,
    CONTAINERS_STORAGE,
    HUGGINGFACE,
    OLLAMA,
    OCI_ARCHIVE,
    DOCKER_ARCHIVE,
)
STORES = {kind.name: kind for kind in _KINDS}
"""Every kind of store, by name. Where a path is a store of several kinds, the first one is taken."""
RECORDS = (*_KINDS, *HOSTED)
"""All records: those of the kinds, and those of vendors' registries, which stand for the kind there."""


@lru_cache(maxsize=64)
def store_of(kind: str, address: str) -> Kind:
    """Return the record of the store at an address: that of its kind, or for a registry over HTTP that of its vendor.

    SnapshotFormatError if the kind is unknown.
    """
    if kind not in STORES:
        msg = f"no policy is known for stores of the kind {kind!r}: it needs a newer blobkit"
        raise SnapshotFormatError(msg)
    return hosted(STORES[kind], address)


def policy_of(store: str, name: str, address: str = "") -> Policy:
    """Return the policy of this name ("": the default) for a kind of store, or for the store at this address.

    SnapshotFormatError if the kind is unknown, UnknownPolicyError if it does not have the policy.
    """
    policies = store_of(store, address).policies
    for policy in policies:
        if name in (policy.name, ""):
            return policy
    msg = f"no policy {name!r} for {store} stores"
    raise UnknownPolicyError(msg, hint=choices(name, [policy.name for policy in policies], use="use one of"))


def collectors() -> tuple[str, ...]:
    """Return the names of all collectors, and of the commands that say how much these would free."""
    every = [one for kind in STORES.values() for one in kind.collectors]
    return tuple(dict.fromkeys([one.name for one in every] + [one.figure for one in every if one.figure]))


def collector(name: str) -> Collector:
    """Return the collector of this name; KeyError if it is unknown."""
    every = [one for kind in STORES.values() for one in kind.collectors]
    return ({one.figure: one for one in every if one.figure} | {one.name: one for one in every})[name]
