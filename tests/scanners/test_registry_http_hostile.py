"""Servers that answer anything: a scan ends, and tells what it left out; unknown is never free."""

from __future__ import annotations

import pytest

import blobkit
from blobkit.errors import CredentialsError, NotListableError
from blobkit.scanners.registries.web import names
from layouts import CONFIG, INDEX, MANIFEST, codes, noticed, sha
from remote_servers.scripted import Asked, Reply
from web_sites import Site, image, index, packed, to

pytest.importorskip("aiohttp")


@pytest.fixture
def site() -> Site:
    made = Site()
    made.add(image(to(b"layer")), "app", "1")
    return made


def test_names_that_are_none_are_left_out_and_what_they_hold_is_unknown(site: Site) -> None:
    odd = ["Bad", "../up", "a" * 300, "a//b", "", 7, None, {"name": "x"}, "app\x1b[31m", "app"]
    site.answers["/v2/_catalog"] = Reply(200, packed({"repositories": odd}))
    site.answers["/v2/app/tags/list"] = Reply(200, packed({"tags": ["1", ".no", "x" * 200, "a/b", None, ["1"]]}))
    seen = site.scan()
    assert {key for code, key in noticed(seen) if code == "odd-name"} == {"", "app"}
    assert blobkit.tags_frame(seen).index.tolist() == ["app:1"]
    assert not blobkit.simulate_deref(seen, "app:1").exact
    assert all(ord(one) >= 32 for message in seen.notices["message"].to_pylist() for one in message)
    assert not site.asked("..")


@pytest.mark.parametrize("is_new", [True, False])
def test_a_catalog_without_an_end(is_new: bool, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    monkeypatch.setattr(names, "MOST", 20)
    count = [0]

    def page(_: Asked) -> Reply:
        count[0] += 1
        name = f"app{count[0]}" if is_new else "app"
        return Reply(200, packed({"repositories": [name]}), {"Link": f'</v2/_catalog?last={count[0]}>; rel="next"'})

    site.answers["/v2/_catalog"] = page
    seen = site.scan()
    assert count[0] <= 22
    assert "endless-list" in codes(seen)


@pytest.mark.parametrize("body", [b"[]", b"null", b'{"tags": 7}', b'{"tags": null}', b"{" * 100_000, b"junk"])
def test_lists_that_are_none(body: bytes, site: Site) -> None:
    site.answers["/v2/app/tags/list"] = Reply(200, body)
    assert len(blobkit.tags_frame(site.scan())) == 0


def test_a_repository_whose_tags_cannot_be_listed_is_unknown(site: Site) -> None:
    site.add(image(to(b"layer"), annotations={"n": "2"}), "other", "1")
    site.answers["/v2/app/tags/list"] = Reply(403, b"{}")
    seen = site.scan()
    assert ("not-permitted", "app") in noticed(seen)
    findings = blobkit.audit(seen).findings.set_index("code")
    assert findings.loc["unreadable", "names"] == ("app",)
    preview = blobkit.simulate_deref(seen, "other:1")
    assert not preview.exact
    assert preview.opaque == ("the tags of app",)


def test_a_tag_that_cannot_be_read_is_unknown(site: Site) -> None:
    site.add(image(to(b"layer"), annotations={"n": "2"}), "app", "2")
    site.answers["HEAD /v2/app/manifests/1"] = Reply(403, b"")
    seen = site.scan()
    assert ("not-permitted", "app:1") in noticed(seen)
    for policy in ("tags", "gc-m"):
        assert not blobkit.simulate_deref(seen.with_policy(policy), "app:2").exact


def test_a_tag_that_was_deleted_meanwhile(site: Site) -> None:
    listed = iter([["1", "2"], ["1"]])
    site.answers["/v2/app/tags/list"] = lambda _: Reply(200, packed({"tags": next(listed)}))
    seen = site.scan()
    assert ("tag-gone", "app:2") in noticed(seen)
    assert blobkit.simulate_deref(seen, "app:1").exact
    assert blobkit.audit(seen).exceeds({"error": None}) == ()


def test_a_digest_that_is_none_in_an_answer_is_not_believed(site: Site) -> None:
    content = image(to(b"layer"))
    head = Reply(200, b"", {"Docker-Content-Digest": "sha256:../../etc/passwd"})
    site.answers["HEAD /v2/app/manifests/1"] = head
    seen = site.scan()
    assert seen.find(sha(content)) >= 0
    assert blobkit.tags_frame(seen).loc["app:1", "digest"] == sha(content)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(403, b"{}"), "not-permitted"),
        (Reply(410, b"{}"), "unreadable"),
        (Reply(200, b"x" * (5 << 20)), "too-large"),
        (Reply(200, b"other"), "digest-mismatch"),
        (Reply(404, b"{}"), "missing"),
    ],
)
def test_a_platform_that_cannot_be_had_makes_its_image_opaque(reply: Reply, code: str, site: Site) -> None:
    child = image(to(b"layer"), annotations={"n": "2"})
    site.add(index(to(child, MANIFEST)), "app", "2")
    site.answers[f"/v2/app/manifests/{sha(child)}"] = reply
    seen = site.scan()
    assert {(code, sha(child)), ("opaque", sha(child))} <= noticed(seen)
    assert not blobkit.simulate_deref(seen, "app:1").exact
    assert (sha(child) in set(blobkit.to_frame(seen).index)) == (code != "missing")
    assert blobkit.simulate_deref(seen, "app:2").exact
    assert seen.find(sha(b"layer")) >= 0


def test_what_a_collector_may_read_and_this_user_may_not_is_unknown(site: Site) -> None:
    hidden = site.add(image(to(b"layer"), annotations={"n": "2"}), "app", "2")
    site.answers[f"GET /v2/app/manifests/{hidden}"] = Reply(403, b"{}")
    seen = site.scan()
    for policy in ("tags", "gc-m"):
        preview = blobkit.simulate_deref(seen.with_policy(policy), "app:1")
        assert not preview.exact
        assert preview.certain_bytes == 0


def test_what_one_repository_refuses_another_gives(site: Site) -> None:
    child = image(to(b"shared"), annotations={"n": "2"})
    site.add(child)
    for repo in ("one", "two"):
        site.add(index(to(child, MANIFEST), to(b"nothing", "x/y")), repo, "1")
    site.answers[f"/v2/one/manifests/{sha(child)}"] = Reply(403, b"{}")
    seen = site.scan()
    assert "not-permitted" not in codes(seen)
    assert blobkit.simulate_deref(seen, "one:1").exact
    assert len(site.asked(f"two/manifests/{sha(child)}")) == 1


def test_what_is_refused_at_first_may_be_given_to_one_that_names_it_deeper(site: Site) -> None:
    child = image(to(b"shared"), annotations={"n": "2"})
    site.add(child)
    inner = index(to(child, MANIFEST))
    site.add(inner, "one", "1")
    site.add(index(to(inner, INDEX)), "two", "1")
    site.answers[f"/v2/one/manifests/{sha(child)}"] = Reply(403, b"{}")
    seen = site.scan()
    assert {"not-permitted", "opaque"}.isdisjoint(codes(seen))
    assert blobkit.to_frame(seen).loc[sha(child), "size"] == len(child)


def test_documents_that_need_more_than_their_length_are_unreadable(site: Site) -> None:
    bomb = b'{"schemaVersion":2,"layers":[' + b"[],".join([b""] * 600_000) + b"[]]}"
    deep = b'{"schemaVersion":2,"manifests":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for tag, content in (("bomb", bomb), ("deep", deep), ("junk", b"\xff\xfe")):
        site.add(content, "app", tag)
    seen = site.scan()
    bad = {sha(bomb), sha(deep), sha(b"\xff\xfe")}
    assert {key for code, key in noticed(seen) if code == "opaque"} == bad


def test_an_index_that_names_itself_and_others_ends() -> None:
    site = Site()
    inner = index({"mediaType": INDEX, "digest": sha(b"nowhere"), "size": 1})
    level = site.add(inner)
    for number in range(60):
        outer = index({"mediaType": INDEX, "digest": level, "size": 10, "annotations": {"n": str(number)}})
        level = site.add(outer)
    site.tags["deep"] = {"1": level}
    seen = site.scan()
    assert seen.blobs == 61
    assert ("missing", sha(b"nowhere")) in noticed(seen)


def test_claims_about_sizes(site: Site) -> None:
    huge = [to(f"huge {n}".encode(), size=(1 << 63) - 1) | {"size": (1 << 63) - 1} for n in range(3)]
    odd = [to(b"negative") | {"size": -5}, to(b"text") | {"size": "12"}, to(b"none") | {"size": None}]
    agreed, other = to(b"layer"), to(b"layer") | {"size": 7}
    site.add(image(*huge, *odd, agreed), "odd", "1")
    site.add(image(other, annotations={"n": "2"}), "odd", "2")
    seen = site.scan()
    frame = blobkit.to_frame(seen)
    assert int(frame["size"].sum()) == seen.bytes < 1 << 62
    assert ("size-mismatch", sha(b"layer")) in noticed(seen)
    estimated = {key for code, key in noticed(seen) if code == "estimated"}
    assert {str(one["digest"]) for one in [*huge, *odd]} <= estimated
    assert not blobkit.simulate_deref(seen, "odd:1").exact


def test_one_content_that_is_called_by_two_types(site: Site) -> None:
    both = packed(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": to(b"config", CONFIG),
            "layers": [to(b"as image")],
            "manifests": [to(image(to(b"as index")), MANIFEST)],
        }
    )
    site.add(both)
    inner = site.add(image(to(b"as index")))
    site.add(index(to(both, MANIFEST)), "app", "2")
    site.add(index(to(both, INDEX)), "app", "3")
    seen = site.scan()
    assert {inner, sha(b"as image"), sha(b"as index")} <= set(blobkit.to_frame(seen).index)
    assert "opaque" not in codes(seen)


def test_verify_finds_blobs_that_are_gone_unlinked_or_of_another_size(site: Site) -> None:
    gone, moved, longer, foreign = b"gone", b"moved", b"longer than claimed", b"elsewhere"
    layers = [to(gone), to(moved), to(longer) | {"size": 3}, to(foreign, urls=["https://example.com/x"])]
    site.add(image(*layers), "one", "1")
    site.add(image(to(moved), to(foreign, urls=["https://example.com/x"]), annotations={"n": "2"}), "two", "1")
    site.blobs = {
        ("app", sha(b"layer")): b"layer",
        ("two", sha(moved)): moved,
        ("one", sha(longer)): longer,
        **{(repo, sha(b"config")): b"config" for repo in ("app", "one", "two")},
    }
    assert ("foreign", sha(foreign)) in noticed(site.scan())
    seen = site.scan(verify=True)
    assert ("missing", sha(gone)) in noticed(seen)
    assert ("unlinked-layer", sha(moved)) in noticed(seen)
    assert ("size-mismatch", sha(longer)) in noticed(seen)
    assert ("foreign", sha(foreign)) in noticed(seen)
    frame = blobkit.to_frame(seen)
    assert frame.loc[sha(longer), "size"] == len(longer)
    assert sha(gone) not in frame.index
    assert sha(moved) in frame.index
    assert "tag-without-content" not in codes(seen)


def test_referrers_in_pages_and_referrers_of_referrers(site: Site) -> None:
    subject = image(to(b"layer"))
    about = to(subject, MANIFEST)
    first, second = (image(to(f"sbom {n}".encode()), subject=about, annotations={"n": str(n)}) for n in (1, 2))
    deeper = image(to(b"signature"), subject=to(second, MANIFEST))
    for content in (first, second, deeper):
        site.add(content)
    empty = Reply(200, packed({"manifests": []}))
    junk = [{"digest": "no"}, 7, {}]

    def page(asked: Asked) -> Reply:
        if "page=2" in asked.path:
            return Reply(200, packed({"manifests": [to(second, MANIFEST)]}))
        link = {"Link": f'</v2/app/referrers/{sha(subject)}?page=2>; rel="next"'}
        return Reply(200, packed({"manifests": [*junk, to(first, MANIFEST)]}), link)

    for digest in (f"sha256:{'0' * 64}", sha(first), sha(deeper)):
        site.answers[f"/v2/app/referrers/{digest}"] = empty
    site.answers[f"/v2/app/referrers/{sha(subject)}"] = page
    site.answers[f"/v2/app/referrers/{sha(second)}"] = Reply(200, packed({"manifests": [to(deeper, MANIFEST)]}))
    seen = site.scan()
    assert seen.policy == "dependent"
    preview = blobkit.simulate_deref(seen, "app:1")
    assert {sha(one) for one in (subject, first, second, deeper, b"signature", b"sbom 1")} <= set(preview.digests)
    assert preview.exact
    site.answers[f"/v2/app/referrers/{sha(second)}"] = Reply(403, b"{}")
    broken = site.scan()
    assert ("not-permitted", f"app@{sha(second)}") in noticed(broken)
    assert blobkit.simulate_deref(broken, "app:1").exact  # it goes with all that may refer to it


def test_the_subject_of_a_tagged_referrer_is_looked_for(site: Site) -> None:
    subject, gone = image(to(b"layer"), annotations={"n": "2"}), image(to(b"layer"), annotations={"n": "3"})
    site.add(subject)
    for tag, about in (("sig", subject), ("old-sig", gone)):
        site.add(image(to(b"signature"), subject=to(about, MANIFEST)), "app", tag)
    seen = site.scan()
    assert sha(subject) in blobkit.to_frame(seen).index
    assert {key for code, key in noticed(seen) if code == "dangling-subject"} == {sha(gone)}
    assert blobkit.simulate_deref(seen, "app:1").exact


def test_a_config_that_is_gone_is_missing_and_a_broken_one_is_told(site: Site) -> None:
    site.add(image(to(b"layer"), annotations={"n": "2"}), "app", "2")
    seen = site.scan(configs=True)
    assert ("missing", sha(b"config")) in noticed(seen)
    site.blobs["app", sha(b"config")] = b"other"
    assert ("digest-mismatch", sha(b"config")) in noticed(site.scan(configs=True))


def test_the_platform_and_time_of_a_config(site: Site) -> None:
    config = packed({"os": "linux", "architecture": "arm64", "created": "2024-05-06T07:08:09Z", "rootfs": {}})
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": to(config, CONFIG), "layers": [to(b"layer")]}
    child = packed(body)
    site.add(child)
    site.add(index(to(child, MANIFEST)), "app", "2")
    site.blobs["app", sha(config)] = config
    seen = site.scan(configs=True)
    frame = blobkit.to_frame(seen)
    assert frame.loc[sha(child), "platform"] == "linux/arm64"
    assert str(frame.loc[sha(child), "created"]).startswith("2024-05-06 07:08:09")
    plan = blobkit.plan(seen, older_than="30d", age_by="created")
    assert plan.tags == ("app:2",)
    assert dict(zip(plan.spared["tag"], plan.spared["why"], strict=True)) == {
        "app:1": "its image claims no time of creation"
    }
    assert blobkit.plan(seen, keep_last=0, age_by="created").tags == ("app:2",)


def test_a_manifest_of_schema_1_is_checked_without_its_signatures(site: Site) -> None:
    from base64 import urlsafe_b64encode  # noqa: PLC0415

    def coded(data: bytes) -> str:
        return urlsafe_b64encode(data).rstrip(b"=").decode()

    payload = packed({"schemaVersion": 1, "name": "app", "fsLayers": [{"blobSum": sha(b"layer")}], "history": []})
    tail = b"}"
    protected = packed({"formatLength": len(payload) - 1, "formatTail": coded(tail)})
    signed = payload[:-1] + b',"signatures": [{"protected": "' + coded(protected).encode() + b'"}]}'
    site.tags["app"]["old"] = sha(payload)
    site.manifests[sha(payload)] = signed
    seen = site.scan()
    frame = blobkit.to_frame(seen)
    assert frame.loc[sha(payload), "size"] == len(payload)
    assert "digest-mismatch" not in codes(seen)
    assert blobkit.why(seen, sha(b"layer")).tags == ("app:1", "app:old")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_repository_is_read_whose_registry_lists_none_to_everybody(status: int, site: Site) -> None:
    site.add(image(to(b"layer")), "team/app", "1")
    site.answers["/v2/_catalog"] = Reply(
        status, b"{}", {"WWW-Authenticate": 'Basic realm="x"'} if status == 401 else {}
    )
    assert blobkit.why(site.scan("team/app"), sha(b"layer")).tags == ("team/app:1",)


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_lets_nobody_in(status: int, site: Site) -> None:
    refused = Reply(status, b"{}", {"WWW-Authenticate": 'Basic realm="x"'} if status == 401 else {})
    for path in ("/v2/_catalog", "/v2/app/tags/list"):
        site.answers[path] = refused
    with pytest.raises(CredentialsError if status == 401 else NotListableError):
        site.scan()
    with pytest.raises(CredentialsError, match="app"):
        site.scan(repositories=["app"])
    site.add(image(to(b"layer")), "other", "1")
    seen = site.scan(repositories=["app", "other"])
    assert ("not-permitted", "app") in noticed(seen)
    assert ("missing", "app") not in noticed(seen)
