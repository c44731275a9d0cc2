"""Records of registries over HTTP, by the hosts in their addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import UnknownPolicyError
from blobkit.snapshot.kinds import STORES, store_of
from registries import images

if TYPE_CHECKING:
    from pathlib import Path

VENDORS = {
    "ghcr.io": "ghcr",
    "GHCR.io:443": "ghcr",
    "docker.io": "hub",
    "registry-1.docker.io": "hub",
    "index.docker.io": "hub",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": "ecr",
    "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "ecr",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn": "ecr",
    "123456789012.dkr-ecr.eu-west-1.on.aws": "ecr",
    "public.ecr.aws": "ecr-public",
    "shop.azurecr.io": "acr",
    "shop.azurecr.cn": "acr",
    "europe-west1-docker.pkg.dev": "gar",
    "gcr.io": "gar",
    "eu.gcr.io": "gar",
    "registry.gitlab.com": "gitlab",
    "quay.io": "quay",
}
OTHERS = ("reg.example:5000", "localhost", "[::1]:5000", "ghcr.io.example", "notquay.io", "x.dkr.ecr.y.amazonaws.com")


@pytest.mark.parametrize("host", VENDORS)
@pytest.mark.parametrize("rest", ["", "/acme", "/acme/app"])
def test_a_vendor_is_known_by_its_host(host: str, rest: str) -> None:
    record = store_of("registry", f"registry+https://{host}{rest}")
    assert record.server is not None
    assert (record.server.vendor, record.server.host, record.server.plain) == (VENDORS[host], host, False)
    assert record.name == "registry"
    assert not record.collectors
    assert record.freed_later("tags") == record.server.frees != ""
    assert [policy.name for policy in record.policies if policy.collector] == []
    assert record.policies[0] == STORES["registry"].policies[0]


@pytest.mark.parametrize("host", OTHERS)
def test_any_other_host(host: str) -> None:
    record = store_of("registry", f"registry+http://{host}/team")
    assert record.server is not None
    assert (record.server.vendor, record.server.host, record.server.plain) == ("", host, True)
    assert record.policies == STORES["registry"].policies
    assert record.tools == STORES["registry"].tools
    assert (record.freed_later("tags"), record.freed_later("gc-m")) == ("the registry", "")


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("registry", "/srv/registry"),
        ("registry", "registry+s3://bucket/ghcr.io"),
        ("registry", "registry+https://reg.example$(touch pwned)"),
        ("registry", "registry+https://user@ghcr.io"),
        ("registry", "see registry+https://ghcr.io"),
        ("registry", ""),
        ("oci", "registry+https://ghcr.io"),
    ],
)
def test_any_other_address_has_the_record_of_its_kind(kind: str, address: str) -> None:
    assert store_of(kind, address) is STORES[kind]


def test_a_snapshot_of_a_vendor_has_its_record(tmp_path: Path) -> None:
    snapshot = replace(images(30), address="registry+https://ghcr.io/acme")
    assert snapshot.policies == tuple(policy.name for policy in STORES["registry"].policies if not policy.collector)
    assert {"tags", "revisions"} <= set(snapshot.policies)
    assert snapshot.store.tools == ("gh",)
    with pytest.raises(UnknownPolicyError, match="no policy 'gc'"):
        snapshot.with_policy("gc")
    with pytest.raises(blobkit.UnknownToolError, match="registry collects nothing in stores of the kind registry"):
        blobkit.compare_gc(snapshot, "registry")
    snapshot.save(tmp_path / "now.blobkit")
    assert blobkit.Snapshot.load(tmp_path / "now.blobkit").store == snapshot.store


def test_the_fate_of_garbage_is_told() -> None:
    snapshot = replace(images(60), address="registry+https://ghcr.io/acme")
    garbage = "GitHub keeps what no tag reaches until somebody deletes it"
    assert garbage in str(blobkit.audit(snapshot))
    tag = blobkit.tags_frame(snapshot).index[0]
    assert blobkit.simulate_deref(snapshot, tag).title().count("when GitHub collects") == 1
    with pytest.raises(blobkit.UnknownToolError, match=f"has no garbage collector .*: {garbage}"):
        blobkit.audit(snapshot).script()
