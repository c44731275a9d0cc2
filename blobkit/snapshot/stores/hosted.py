"""Records of registries over HTTP: those of vendors by their hosts, and any other one.

A vendor's registry has no collector that anybody can run. Which program another host runs is not known: it may be
distribution, Harbor, zot. So no collector is assumed under a policy about names; the policies that are named after
the collector of distribution end with it. Sources: the vendors' documents (2026), see each record.
"""

from __future__ import annotations

import re
from dataclasses import replace

from blobkit.snapshot.records import Kind, Server
from blobkit.snapshot.stores.registry import REGISTRIES

__all__ = ["HOSTED", "hosted"]

_ADDRESS = re.compile(r"registry\+(https?)://([A-Za-z0-9.:_-]+|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?)(?:/.*)?", re.DOTALL)
_RUNS = "the registry"


def _vendor(name: str, frees: str, *, tools: tuple[str, ...], alone: str = "", advice: str = "") -> Kind:
    """Return the record of a vendor's registry: only the policies that are no collector's, and the vendor's tools."""
    return replace(
        REGISTRIES,
        policies=tuple(policy for policy in REGISTRIES.policies if policy.collector is None),
        tools=tools,
        collected_by={},
        found_by=(),
        advice=advice or f"{frees} removes by itself what no tag reaches, when is not known",
        dropping=replace(REGISTRIES.dropping, alone=alone),
        server=Server("", vendor=name, frees=frees),
    )


_VENDORS: tuple[tuple[str, Kind], ...] = (
    (
        r"ghcr\.io",
        _vendor(
            "ghcr",
            "GitHub",
            tools=("gh",),
            alone="GitHub cannot delete {} alone: a version goes with all of its tags",
            advice="GitHub keeps what no tag reaches until somebody deletes it",
        ),
    ),
    (
        r"(?:registry-1\.|index\.)?docker\.io",
        _vendor(
            "hub",
            "Docker Hub",
            tools=("curl",),
            advice="Docker Hub keeps what no tag reaches until somebody deletes it",
        ),
    ),
    (
        r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|on\.aws)",
        _vendor(
            "ecr",
            "Amazon",
            tools=("aws",),
            advice="Amazon keeps what no tag reaches, unless a lifecycle policy expires it",
        ),
    ),
    (
        r"public\.ecr\.aws",
        _vendor(
            "ecr-public", "Amazon", tools=("aws",), advice="Amazon keeps what no tag reaches until somebody deletes it"
        ),
    ),
    (
        r"[a-z0-9]+\.azurecr\.(?:io|cn|us)",
        _vendor(
            "acr",
            "Azure",
            tools=("az",),
            advice="Azure keeps what no tag reaches, unless a retention policy expires it",
        ),
    ),
    (
        r"(?:[a-z0-9-]+-)?docker\.pkg\.dev|(?:us\.|eu\.|asia\.)?gcr\.io",
        _vendor(
            "gar",
            "Google",
            tools=("gcloud",),
            advice="Google keeps what no tag reaches, unless a clean-up policy expires it",
        ),
    ),
    (r"registry\.gitlab\.com", _vendor("gitlab", "GitLab", tools=("curl",))),
    (r"quay\.io", _vendor("quay", "Quay", tools=("curl",))),
)
"""The records of vendors by a pattern for their hosts."""

_ELSEWHERE = replace(
    REGISTRIES,
    collected_by={policy.name: policy.collector.name for policy in REGISTRIES.policies if policy.collector},
    found_by=(),
    advice="the registry's own garbage collection removes what no tag reaches, if somebody runs it",
    dropping=replace(REGISTRIES.dropping, alone="not every registry can delete {} alone"),
    server=Server("", frees=_RUNS),
)
"""The record of a registry over HTTP whose program is not known."""

HOSTED = (_ELSEWHERE, *(kind for _, kind in _VENDORS))
"""The records of registries over HTTP."""


def hosted(kind: Kind, address: str) -> Kind:
    """Return the record of the registry at an address; the kind itself if that is no address of a registry over HTTP.

    >>> from blobkit.snapshot.stores.registry import REGISTRIES
    >>> hosted(REGISTRIES, "registry+https://ghcr.io/acme").tools
    ('gh',)
    """
    match = _ADDRESS.fullmatch(address) if kind.name == REGISTRIES.name else None
    if match is None:
        return kind
    transport, host = match.groups()
    name = re.sub(r":(?:443|80)\Z", "", host.lower())
    record = next((record for pattern, record in _VENDORS if re.fullmatch(pattern, name)), _ELSEWHERE)
    known = record.server or Server("")
    return replace(record, server=replace(known, host=host, plain=transport == "http"))
