"""Scripts for a registry that was scanned over HTTP: they address its host, and run no collector of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import blobkit
from live_registry import needs, shell, syntax

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from live_registry import Served


def over_http(served: Served, policy: str | None = None, address: str = "") -> Snapshot:
    """Return the snapshot as a scan over HTTP has it; docker-registry is served without TLS here."""
    return replace(served.scan(policy), address=f"registry+http://{address or served.address}")


def run(served: Served, text: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Check a script, and run it without telling where the registry is."""
    syntax(text, served.config.parent, "warning")
    return shell(text, served.config.parent, **settings)


@pytest.mark.parametrize("tool", ["curl", "skopeo"])
def test_the_host_is_that_of_the_snapshot(served: Served, tool: str) -> None:
    needs(tool)
    amd, arm, shared = (served.image("app", name, "base") for name in ("amd", "arm", "shared"))
    served.index("app", amd, shared, tag="1")
    served.index("app", arm, shared, tag="2")
    preview = blobkit.simulate_deref(over_http(served), "app:1")
    before = served.stored()
    text = preview.script(tool)
    done = run(served, text)
    assert (done.returncode, done.stderr) == (0, "0 skipped\n")
    assert not served.has("app", "1")
    assert not served.has("app", str(amd["digest"]))
    assert served.has("app", str(shared["digest"]))
    assert served.pulls("app", "2")
    assert served.stored() == before
    assert "registry garbage-collect, run on the host of its storage" in " ".join(text.replace("\n# ", " ").split())
    assert "CONFIG" not in text


def test_a_host_without_tls_that_is_not_this_machine(served: Served, tmp_path: Path) -> None:
    """skopeo and crane are told so, curl gets another URL; REGISTRY in the environment wins."""
    served.image("app", "one", tag="1")
    preview = blobkit.simulate_deref(over_http(served, address="reg.example:5000"), "app:1")
    plain = "localhost | localhost:* | 127.0.0.1 | 127.0.0.1:* | reg.example:5000)"
    assert f"{plain} URL=http://$REGISTRY ;;" in preview.script("curl")
    assert f'{plain} FLAGS="--tls-verify=false $FLAGS" ;;' in preview.script("skopeo")
    assert f'{plain} FLAGS="--insecure $FLAGS" ;;' in preview.script("crane")
    with_tls = replace(preview.snapshot, address="registry+https://reg.example:5000/team")
    text = blobkit.simulate_deref(with_tls, "app:1").script()
    assert "REGISTRY=${REGISTRY:-reg.example:5000}\n" in text
    assert " | reg.example:5000)" not in text
    for tool in ("curl", "crane", "skopeo", "regctl"):
        syntax(preview.script(tool), tmp_path)
    assert run(served, preview.script(), REGISTRY=served.address).returncode == 0
    assert not served.has("app", "1")


def test_no_collector_is_claimed(served: Served) -> None:
    served.image("app", "base", "own", tag="1")
    served.image("app", "base", tag="2")
    preview = blobkit.simulate_deref(over_http(served), "app:1")
    assert preview.collected == blobkit.questions.collecting.Collected(0, (), "", "")
    assert preview.title().startswith("Dropping app:1 frees 3 blobs, ")
    assert preview.title().endswith(" when the registry collects")
    assert preview.waiting.empty
    assert preview.to_dict()["collected"] == {"bytes": 0, "digests": [], "tool": "", "stops": ""}
    assert "collects" in str(blobkit.plan(over_http(served), free=preview.bytes))
    assert f"({preview.bytes} bytes)" in preview.script()


def test_under_a_policy_of_its_collector_the_script_ends_with_it(served: Served) -> None:
    """Whoever chooses gc-m says that the registry is distribution."""
    served.image("app", "own", tag="1")
    preview = blobkit.simulate_deref(over_http(served, "gc-m"), "app:1")
    assert preview.collected.bytes == preview.bytes > 0
    text = preview.script()
    assert text.endswith('registry garbage-collect -m "$CONFIG"\n')
    done = run(served, text, CONFIG=str(served.config))
    assert done.returncode == 0, done.stderr
    assert served.stored() == set()
    assert blobkit.compare_gc(over_http(served), "registry").tool == "registry"


def test_untagged_manifests(served: Served) -> None:
    old, new = served.image("app", "old", tag="1"), served.image("app", "new", tag="1")
    snapshot = over_http(served)
    snapshot = replace(snapshot, time=snapshot.time.replace(year=snapshot.time.year + 1))
    preview = blobkit.simulate_deref(snapshot, untagged=True)
    assert preview.targets == (f"app@{old['digest']}",)
    assert preview.collected.tool == ""
    assert run(served, preview.script()).returncode == 0
    assert not served.has("app", str(old["digest"]))
    assert served.has("app", str(new["digest"]))
    audit = blobkit.audit(snapshot)
    assert "garbage-collect" not in str(audit)
    with pytest.raises(blobkit.UnknownToolError, match=r"has no garbage collector \(policy tags\)"):
        audit.script()


def test_a_name_that_cannot_be_dropped_waits(served: Served) -> None:
    served.image("app", "own", tag="1")
    snapshot = over_http(served)
    pins = snapshot.pins
    names = ["app:$(touch pwned)" if name == "app:1" else name for name in pins["name"].to_pylist()]
    tables = replace(snapshot.tables, pins=pins.set_column(pins.schema.get_field_index("name"), "name", [names]))
    preview = blobkit.simulate_deref(replace(snapshot, tables=tables), "app:*")
    assert "the registry frees 0 blobs, 0 B, of 3 blobs" in preview.title()
    assert set(preview.waiting["reason"]) == {"a name that the script cannot drop needs it"}
    assert "# waits: 3 blobs" in preview.script()
    assert "registries do not accept this name" in run(served, preview.script()).stderr
