"""Every finding planted in a small true store is found, and none is in a healthy one."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import AgeError, ThresholdError
from blobkit.questions.findings.finding import FINDINGS, SEVERITIES
from blobkit.snapshot.snapshot import build
from graphs import Graph, key, snapshot_of
from layouts import INDEX, MANIFEST, GoStore, Layout, Registry, nowhere, sha

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from blobkit.questions.audit import Audit
    from blobkit.snapshot.snapshot import Snapshot

HOUR = 3600


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A healthy layout: twelve images that share nothing, so that none keeps a tenth."""
    made = Layout(tmp_path / "layout")
    for i in range(12):
        image(made, f"app:{i}", f"layer {i:04}" * 100)
    return made


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A healthy registry of the same images."""
    made = Registry(tmp_path / "registry")
    for i in range(12):
        made.push("app", str(i), f"layer {i:04}" * 100, config=made.config(f"os{i:04}"))
    return made


def image(layout: Layout, name: str | None, content: str) -> str:
    return layout.image(name, content, config=layout.config(f"os {content[:12]}"))


def found(snapshot: Snapshot, **how: Any) -> dict[str, set[str]]:  # noqa: ANN401 (whatever audit takes)
    """The digests and names of each finding but `metadata`, which every store on a disk has."""
    frame = blobkit.audit(snapshot, **how).findings.query("code != 'metadata'")
    return {code: {*digests, *names} for code, digests, names in frame[["code", "digests", "names"]].to_numpy()}


def row(audit: Audit, code: str) -> Any:  # noqa: ANN401 (a row of a frame)
    return audit.findings.set_index("code").loc[code]


def age(path: Path, hours: float) -> None:
    """Make a file so old."""
    then = path.stat().st_mtime - hours * HOUR
    os.utime(path, (then, then))


@pytest.mark.parametrize("policy", ["dependent", "strong", "ignore"])
def test_a_healthy_layout_has_no_findings(layout: Layout, policy: str) -> None:
    audit = blobkit.audit(layout.scan(policy))
    assert audit.findings["code"].tolist() == ["metadata"]
    assert not audit
    assert "Nothing found" in str(audit)
    assert audit.exceeds(dict.fromkeys((*FINDINGS, *SEVERITIES))) == ()


@pytest.mark.parametrize("policy", ["tags", "revisions", "gc", "gc-m"])
def test_a_healthy_registry_has_no_findings(registry: Registry, policy: str) -> None:
    assert found(registry.scan(policy)) == {}


def test_a_healthy_store_of_ones_own_has_no_findings(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s") as store:
        for i in range(12):
            store.put(b"x" * 100 + bytes([i]), tag=f"x:{i}")
        audit = blobkit.audit(store)
    assert not audit
    assert "content, twins" in str(audit)
    assert "blobkit fsck" in audit._repr_html_()


def test_garbage_is_fresh_while_it_is_young(layout: Layout) -> None:
    old, young = layout.blob("old garbage"), layout.blob("young garbage")
    age(layout.path(old), 30)
    age(layout.path(young), 2)
    assert found(layout.scan()) == {"garbage": {old}, "fresh": {young}}
    assert found(layout.scan(), min_age="1h") == {"garbage": {old, young}}
    assert found(layout.scan(), min_age=timedelta(days=2)) == {"fresh": {old, young}}
    assert found(layout.scan(), min_age=0) == {"garbage": {old, young}}
    audit = blobkit.audit(layout.scan())
    assert (row(audit, "garbage")["bytes"], row(audit, "fresh")["bytes"]) == (11, 13)
    assert "keep it" in row(audit, "fresh")["advice"]
    assert audit.summary.totals["blobs"].to_dict() == {"live": 36, "garbage": 1, "fresh": 1, "unknown": 0}
    assert "1 garbage (11 B), 1 fresh (13 B)" in str(audit)
    biggest = blobkit.audit(layout.scan(), top=100).summary.biggest["status"]
    assert (biggest[old], biggest[young]) == ("garbage", "fresh")
    with pytest.raises(AgeError):
        blobkit.audit(layout.scan(), min_age="soon")


def test_advice_names_the_collector_of_the_policy(layout: Layout, registry: Registry) -> None:
    layout.blob("garbage")
    registry.blob("garbage")
    advice = {
        snapshot.policy: row(blobkit.audit(snapshot, min_age=0), "garbage")["advice"]
        for snapshot in (layout.scan(), layout.scan("strong"), registry.scan(), registry.scan("gc-m"))
    }
    assert "--policy strong" in advice["dependent"]
    assert advice["strong"].endswith("umoci gc removes them")
    assert "--policy gc or gc-m" in advice["tags"]
    assert advice["gc-m"].endswith("registry garbage-collect -m removes them")


def test_garbage_that_can_be_pulled_by_digest_is_named_first(layout: Layout, registry: Registry) -> None:
    old = registry.manifest(registry.blob("old"), config=registry.config("old"))
    registry.revision("app", old)
    registry.revision("other", old)
    registry.revision("app", registry.manifest(registry.blob("older"), config=registry.config("old")))
    registry.manifest(registry.blob("deleted"), config=registry.config("old"))
    for policy in ("tags", "gc-m"):
        advice = row(blobkit.audit(registry.scan(policy), min_age=0), "garbage")["advice"]
        told = (
            f"2 manifests of these can still be pulled by digest: blobkit untagged registry:{registry.root} lists them"
        )
        assert told in advice
    assert "pulled" not in row(blobkit.audit(registry.scan("gc"), min_age=0), "garbage")["advice"]
    image(layout, None, "sbom")
    assert "garbage" not in found(layout.scan(), min_age=0)  # an entry without a name holds
    layout.image(None, "referrer", subject=layout.manifest(layout.blob("base")))
    advice = row(blobkit.audit(layout.scan(), min_age=0), "garbage")["advice"]
    assert "1 manifest of these can still be pulled by digest; umoci gc" in advice


def test_missing_content_and_names_of_nothing(layout: Layout) -> None:
    layer = layout.drop(layout.blob("layer 0003" * 100))
    gone = layout.drop(image(layout, "gone:1", "whatever"))
    layout.blob("may hang on it")
    some = found(layout.scan(), min_age=0)
    assert some["missing"] == {layer, gone}
    assert some["tag-without-content"] == {gone, "gone:1"}
    assert some["opaque"] == {gone}
    assert layout.blob("may hang on it") in some["unknown"]
    assert "garbage" not in some
    assert row(blobkit.audit(layout.scan()), "missing")[["severity", "blobs", "bytes"]].tolist() == ["error", 2, 0]


def test_what_a_store_of_ones_own_expects_is_missing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    manifest = layout.manifest(layout.blob("layer"))
    with blobkit.LocalStore(tmp_path / "s") as store:
        store.put(layout.path(manifest).read_bytes(), media_type=MANIFEST, tag="app:1")
        assert found(store.snapshot())["missing"] == {layout.blob("layer"), layout.config()}


def test_what_only_garbage_misses_is_no_finding(layout: Layout) -> None:
    layout.drop(layout.blob("part"))
    layout.manifest(sha(b"part"), config=layout.config("garbage"))
    assert set(found(layout.scan(), min_age=0)) == {"garbage"}


def test_damaged_content(layout: Layout) -> None:
    digest = layout.blob("other", sha(b"layer 0001" * 100))
    audit = blobkit.audit(layout.scan("strong"))
    assert found(layout.scan()) == {"damaged": {digest}}
    assert set(audit.findings["code"]) == {"damaged", "metadata", "would-abort"}
    assert row(audit, "damaged")["bytes"] == 5
    assert any(digest in name for name in row(audit, "would-abort")["names"])
    assert audit.title() == "Found 1 error, 1 warning"


def test_dangling_references_break_nothing(layout: Layout, registry: Registry) -> None:
    subject = {"mediaType": MANIFEST, "digest": nowhere(1), "size": 7}
    layout.image("sbom:1", "sbom", subject=subject)
    assert found(layout.scan()) == {"dangling": {nowhere(1)}}
    layout.add(nowhere(1), "wanted:1")
    assert "dangling" not in found(layout.scan())
    registry.link(f"app/_layers/{nowhere(2).replace(':', '/')}/link", nowhere(2))
    assert found(registry.scan()) == {"dangling": {"app"}}


def test_anonymous_pins_and_their_age(layout: Layout) -> None:
    digest = image(layout, None, "nameless" * 20)
    age(layout.path(digest), 50)
    layers = {layout.blob("nameless" * 20), layout.config(f"os {'nameless' * 20}"[:15])}
    audit = blobkit.audit(layout.scan())
    assert found(layout.scan()) == {"anonymous": {digest, *layers}}
    assert row(audit, "anonymous")["advice"].endswith("2 days ago")
    assert (audit.snapshot.time - row(audit, "anonymous")["oldest"]) > timedelta(hours=49)
    layout.add(digest, "named")
    assert found(layout.scan()) == {}


def test_a_store_of_ones_own_says_what_other_collectors_would_delete(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s") as store:
        for i in range(12):
            store.put(b"x" * 100 + bytes([i]), tag=f"x:{i}")
        raw, linked = store.put(b"raw").digest, store.put(b"linked").digest
        store.link(linked, store.tags()["x:0"])  # the second blob holds the first
        assert found(store.snapshot()) == {"anonymous": {raw}, "unprotected": {raw, linked}}


def test_what_other_programs_did_to_a_store_of_ones_own(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s") as store:
        for i in range(12):
            store.put(b"x" * 100 + bytes([i]), tag=f"x:{i}")
    body = json.loads((tmp_path / "s" / "index.json").read_text())
    body["manifests"].append({"mediaType": MANIFEST, "digest": nowhere(1), "size": 7})
    (tmp_path / "s" / "index.json").write_text(json.dumps(body))
    assert "layout-changed" in found(blobkit.scan(tmp_path / "s", progress=False))
    with pytest.warns(blobkit.LayoutChangedWarning), blobkit.LocalStore(tmp_path / "s") as store:
        store.adopt()
    (told,) = found(blobkit.scan(tmp_path / "s", progress=False))["layout-damaged"]
    assert told == "index.json"


def test_leaked_and_mismatched_counts(tmp_path: Path) -> None:
    store = GoStore(tmp_path)
    held = store.add("held by garbage", 1)
    garbage = store.add("garbage", 0, held)
    short = store.add("counted once", 1)
    for i in range(2):
        store.add(f"{i}" * 999, 1, short)
    some = found(store.scan(), min_age=0)
    assert some["garbage"] == {held, garbage}
    assert some["leaked"] == {held}  # nothing counts the other one
    assert some["mismatched-counts"] == {short}


def test_a_cycle_on_a_store_that_counts_is_leaked() -> None:
    graph = Graph([100] * 13 + [1, 1], [1] * 13 + [1, 0], {(13, 14), (14, 13)})
    names = {i: [f"n:{i}"] for i in range(14)}
    snapshot = snapshot_of(graph, counting=True, names=names)
    assert found(snapshot)["leaked"] == {key(13), key(14)}
    assert "leaked" not in found(snapshot_of(graph, counting=False, names=names))


def test_a_damaged_info_json_is_damaged_and_not_leaked(tmp_path: Path) -> None:
    store = GoStore(tmp_path)
    digest, other = store.add("content", 1), store.add("other", 0)
    store.say(digest, "")
    some = found(store.scan(), min_age=0)
    assert some["damaged"] == some["opaque"] - {f"info.json@{digest}"} == {digest}
    assert some["unknown"] == {other}
    assert "leaked" not in some


def test_twins(layout: Layout) -> None:
    content = b"the same content " * 100
    diff_id = sha(content)
    forms = [layout.blob(data) for data in (content, zlib.compress(content), gzip.compress(content, mtime=0))]
    config = layout.config(rootfs={"type": "layers", "diff_ids": [diff_id]})
    for i, form in enumerate(forms):
        layout.add(layout.manifest(form, config=config), f"twin:{i}")
    audit = blobkit.audit(layout.scan())
    assert found(layout.scan())["twins"] == set(forms)
    sizes = sorted(layout.size(form) for form in forms)
    assert row(audit, "twins")[["bytes", "blobs"]].tolist() == [sum(sizes[1:]), 3]
    layout.scan().save(layout.root / "s.blobkit")
    assert found(blobkit.Snapshot.load(layout.root / "s.blobkit"))["twins"] == set(forms)


def test_tags_that_cannot_be_pulled(registry: Registry) -> None:
    registry.delete("app", registry.push("app", "gone", "some"))
    registry.link("app/_manifests/tags/broken/current/link", "")
    some = found(registry.scan())
    assert some["tag-without-content"] == {"app:gone", "app:broken"}
    assert some["opaque"] == {"tag app:broken"}
    assert "would-abort" in found(registry.scan("gc-m"))


def test_suspects_keep_a_tenth(layout: Layout) -> None:
    digest = image(layout, "big:1", "big" * 1000)
    layer = layout.blob("big" * 1000)
    audit = blobkit.audit(layout.scan())
    suspects = row(audit, "suspect")
    assert suspects["digests"] == (digest, layer)
    assert suspects["bytes"] == blobkit.tags_frame(layout.scan()).loc["big:1", "closure"]


def test_stale_uploads(registry: Registry, tmp_path: Path) -> None:
    old = registry.link("app/_uploads/1/data", "x" * 4321)
    new = registry.link("app/_uploads/2 (99999 bytes)/data", "x" * 10)
    age(old, 30)
    assert found(registry.scan()) == {"stale-upload": {str(old)}, "upload": {str(new)}}
    audit = blobkit.audit(registry.scan())
    assert [row(audit, code)["bytes"] for code in ("stale-upload", "upload")] == [4321, 10]
    assert set(found(registry.scan(), min_age=0)) == {"stale-upload"}
    go = GoStore(tmp_path / "go")
    go.add("content", 1)
    (go.root / "temp-blob-1").write_text("begun")
    age(go.root / "temp-blob-1", 30)
    assert row(blobkit.audit(go.scan()), "stale-upload")["bytes"] == 5


def test_oddities_have_findings_of_their_own(layout: Layout) -> None:
    layout.add(layout.entries[0]["digest"], "app:1")  # type: ignore[index]
    layout.add(layout.manifest(label_layer := layout.blob("x", label="sha512")), "with512")
    layout.add(layout.json({"schemaVersion": 2, "manifests": []}, label="sha512"), "all512", INDEX)
    (layout.root / "blobs" / "sha256" / ".tmp").write_text("junk")
    link = layout.path(label_layer)
    link.rename(link.with_name("moved"))
    link.symlink_to("moved")
    some = found(layout.scan())
    assert some["duplicate-name"] == {"app:1"}
    assert some["algorithm"] == {"all512"}
    assert "sha256:.tmp" in some["junk"]
    assert some["symlink"] == {label_layer}


def test_what_a_newer_scanner_notices_is_odd() -> None:
    snapshot = build(
        "oci",
        "x",
        nodes={"key": [], "size": []},
        links={"source": [], "target": []},
        pins={"node": []},
        notices=[("something-new", "", "", "news")],
    )
    assert found(snapshot) == {"odd": {"news"}}


def test_a_policy_decides_what_is_found(registry: Registry) -> None:
    child = registry.manifest(registry.blob("child"), config=registry.config("child"))
    registry.tag("app", "multi", registry.revision("app", registry.index(child)))
    assert "garbage" not in found(registry.scan(), min_age=0)
    assert found(registry.scan(), min_age=0, policy="gc")["garbage"] == {
        registry.blob("child"),
        registry.config("child"),
    }


@pytest.mark.parametrize(
    ("thresholds", "exceeded"),
    [
        ({"garbage": "1GiB"}, []),
        ({"garbage": 999}, ["garbage"]),
        ({"garbage": 1000}, []),
        ({"garbage": "1kB", "warning": 0}, ["warning"]),
        ({"garbage": None}, ["garbage"]),
        ({"missing": None, "error": None, "info": 0}, []),
        ({}, []),
    ],
)
def test_thresholds(layout: Layout, thresholds: dict[str, str | int | None], exceeded: list[str]) -> None:
    layout.blob("g" * 1000)
    audit = blobkit.audit(layout.scan(), min_age=0)
    lines = audit.exceeds(thresholds)
    assert [line.partition(":")[0] for line in lines] == exceeded
    assert all("1 blob, 1000 B" in line for line in lines)


def test_a_finding_without_bytes_exceeds_none_at_all_only(layout: Layout) -> None:
    layout.drop(layout.blob("layer 0001" * 100))
    audit = blobkit.audit(layout.scan())
    assert audit.exceeds({"missing": None})
    assert audit.exceeds({"missing": 0}) == ()


def test_a_threshold_for_nothing(layout: Layout) -> None:
    audit = blobkit.audit(layout.scan())
    with pytest.raises(ThresholdError, match="'rubbish' is not a finding: use error, warning"):
        audit.exceeds({"rubbish": None})
    with pytest.raises(blobkit.SizeError, match="20GiB"):
        audit.exceeds({"garbage": "20G"})


def test_as_text_html_and_json(layout: Layout) -> None:
    for i in range(30):
        (layout.root / "blobs" / "sha256" / f"<script>{i}\x1b[2J").write_text("junk")
        layout.add(layout.drop(layout.blob(f"{i}")), "<script>\x1b[2J" * 30 + str(i))
    audit = blobkit.audit(layout.scan())
    page = audit._repr_html_()
    assert len(page) < 15_000
    assert "<script>" not in page
    assert "\x1b" not in page + str(audit)
    assert max(map(len, str(audit).splitlines())) < 400
    told = json.loads(json.dumps(audit.to_dict()))
    assert [one["code"] for one in told["findings"]] == audit.findings["code"].tolist()
    assert told["findings"][0]["digests"] == list(audit.findings["digests"][0])
    assert told["min_age"] == 24 * HOUR
    assert told["totals"]["live"]["blobs"] == 36
    assert blobkit.to_frame(audit) is audit.frame is audit.findings
    assert audit.snapshot.caption() in str(audit)


def test_findings_are_in_order_of_severity(layout: Layout) -> None:
    layout.blob("garbage")
    layout.drop(layout.blob("layer 0001" * 100))
    frame = blobkit.audit(layout.scan(), min_age=0).findings
    assert frame["severity"].tolist() == sorted(frame["severity"], key=SEVERITIES.index)
    assert list(frame) == ["code", "severity", "blobs", "bytes", "oldest", "advice", "digests", "names"]
    assert frame.dtypes[["blobs", "bytes"]].astype("str").tolist() == ["int64", "int64"]
    assert str(frame["oldest"].dtype) == "datetime64[us, UTC]"


PITFALLS: dict[str, dict[str, str]] = {
    "null-manifests": {"garbage": "garbage"},
    "nested-index": {},
    "sha512": {"garbage": "garbage"},
    "missing": {"missing": "missing_but_referenced", "unknown": "garbage"},
    "corrupt": {"damaged": "digest_mismatch"},
    "foreign": {"foreign": "foreign"},
    "schema2": {},
    "dup-names": {},
    "symlinked-blob": {"symlink": "symlink"},
    "junk": {"garbage": "valid_but_unreferenced"},
    "recompressed": {"twins": "digests"},
    "artifacts": {"dangling": "missing_but_referenced"},
    "inline-data": {"inline": "missing_but_referenced", "garbage": "garbage"},
    "huge-index": {"garbage": "garbage"},
}
"""For each case its findings, and where its oracle lists what is in them."""
ALSO = {"sha512": {"algorithm"}, "dup-names": {"duplicate-name"}, "junk": {"junk"}}
ALSO |= {"missing": {"opaque", "tag-without-content"}}
ASIDE = {"suspect", "anonymous"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "huge-index" else []) for name in PITFALLS]
)
def test_each_pitfall_is_found(dataset: Callable[[str], tuple[Path, dict[str, Any]]], name: str) -> None:
    root, oracle = dataset("dev-pitfalls")
    want = oracle["cases"][name]
    snapshot = blobkit.scan(root / name, progress=False)
    some = found(snapshot, min_age=0)
    for code, field in PITFALLS[name].items():
        wanted = {want[field]} if isinstance(want[field], str) else set(want[field])
        assert wanted <= some[code] if code == "damaged" else some[code] == wanted
    assert some.keys() - ASIDE == {*PITFALLS[name], *ALSO.get(name, ())}
    strong = found(snapshot, min_age=0, policy="strong")
    assert ("would-abort" in strong) == (want["umoci_gc_rc"] != 0)


def test_the_broken_registry_is_found(dataset: Callable[[str], tuple[Path, dict[str, Any]]]) -> None:
    root, oracle = dataset("dev-pitfalls")
    want = oracle["cases"]["registry-broken"]
    audit = blobkit.audit(blobkit.scan(root / "registry-broken", progress=False), min_age=0)
    some = found(audit.snapshot, min_age=0)
    assert some["missing"] == {want["missing_layer"]}
    assert some["tag-without-content"] == {want["empty_link"], want["tag_to_unlinked_revision"]}
    assert want["dangling_layer_link"] in some["dangling"]
    assert row(audit, "stale-upload")["bytes"] == want["stale_upload_bytes"]
    for policy, run in (("gc", "gc_dry_run"), ("gc-m", "gc_dry_run_m")):
        under = found(audit.snapshot, min_age=0, policy=policy)
        assert ("would-abort" in under) == (want[run]["rc"] != 0)
    assert found(audit.snapshot, min_age=0, policy="gc")["garbage"] == set(want["gc_dry_run"]["blobs"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev-registry", "dev-oci-layout"])
def test_real_stores_have_no_errors(dataset: Callable[[str], tuple[Path, dict[str, Any]]], name: str) -> None:
    root, _ = dataset(name)
    snapshot = blobkit.scan(root, verify=True, progress=False)
    for policy in snapshot.policies:
        audit = blobkit.audit(snapshot, min_age=0, policy=policy)
        assert audit.exceeds({"error": None}) == ()
        garbage = blobkit.to_frame(snapshot.with_policy(policy)).query("status == 'garbage'")
        assert set(row(audit, "garbage")["digests"]) == set(garbage.index)
        assert row(audit, "garbage")["bytes"] == garbage["size"].sum()
