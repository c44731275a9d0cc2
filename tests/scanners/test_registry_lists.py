"""Lists of all manifests by the APIs of GitHub and Harbor, compared with the storage of a real registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import AddressError
from blobkit.remotes import Remote
from blobkit.scanners.registries.web.adapters import github, listing, table
from blobkit.scanners.registries.web.adapters.listing import Unnamed
from blobkit.scanners.registries.web.adapters.table import ADAPTERS, Listed, adapter_for, listed
from blobkit.sources.web.timing import Timing
from blobkit.sources.web.transport import aiohttp_transport
from blobkit.sources.web.waiting import run
from layouts import Registry
from remote_servers.scripted import Reply
from remote_servers.vendor_apis import PASSWORD, TOKEN, USER, stored, vendor_apis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from remote_servers.fixtures import FilledRegistry
    from remote_servers.scripted import Asked, Scripted

pytest.importorskip("aiohttp")
NAMES = ("ghcr", "harbor")


@pytest.fixture(autouse=True)
def _login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token for GitHub; no configuration of docker or podman, but that of `as_user`."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def as_user(tmp_path: Path, host: str, user: str = USER, password: str = PASSWORD) -> None:
    """Log in, as `docker login` does."""
    entry = {"username": user, "password": password}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: entry}}))


def ask(
    name: str, server: Scripted, repositories: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Listed:
    """Return what a list says, with nobody waiting."""
    there = Remote("registry", "http", server.url.removeprefix("http://"))
    monkeypatch.setenv("GITHUB_API_URL", server.url)
    if not (tmp_path / "config.json").exists():
        as_user(tmp_path, there.place)

    async def sleep(_: float) -> None: ...

    async def asked() -> Listed:
        transport = aiohttp_transport(4)
        try:
            return await listed(ADAPTERS[name], there, repositories, transport, at_once=4, timing=Timing(sleep=sleep))
        finally:
            await transport.close()

    return run(asked)


def truth(storage: Path) -> dict[str, dict[str, int]]:
    """Return digests and times of the manifests of each repository."""
    return {
        repo: {digest: int(one.pushed.timestamp()) * 10**6 + one.pushed.microsecond for digest, one in found.items()}
        for repo, found in stored(storage).items()
    }


@pytest.mark.parametrize("size", [2, 100])
@pytest.mark.parametrize("name", NAMES)
def test_all_manifests_of_a_real_registry(
    filled_registry: FilledRegistry, name: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Untagged ones, images in an index, referrers; names with one and with two slashes; one page or many."""
    names = sorted(filled_registry.content.manifests)
    assert any(repo.count("/") == 2 for repo in names)
    with vendor_apis(filled_registry.storage, size=size) as server:
        found = ask(name, server, names, tmp_path, monkeypatch)
    assert found.why == ""
    assert {repo: {one.digest for one in some} for repo, some in found.manifests.items()} == (
        filled_registry.content.manifests
    )
    assert {repo: dict(some) for repo, some in found.manifests.items()} == truth(filled_registry.storage)


@pytest.mark.parametrize("name", NAMES)
def test_referrers_that_nothing_else_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an index, of an image in it, of another referrer, of nothing that is there."""
    registry = Registry(tmp_path / "own")
    amd, arm = (registry.manifest(registry.blob(text)) for text in ("amd", "arm"))
    inner = registry.index(amd)
    index = registry.index(inner, arm)
    signed = [index, amd]
    for subject in (index, amd):
        signed += [one := registry.manifest(registry.blob(f"of {subject}"), subject=subject)]
        signed += [registry.manifest(registry.blob(f"of {one}"), subject=one)]
    every = {registry.revision("team/app", one) for one in (*signed, arm, inner)}
    registry.tag("team/app", "1", index)
    with vendor_apis(tmp_path / "own") as server:
        found = ask(name, server, ["team/app"], tmp_path, monkeypatch)
    assert {one.digest for one in found.manifests["team/app"]} == every
    assert len(every) == 8


def test_packages_of_a_user(filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = min(filled_registry.content.manifests)
    with vendor_apis(filled_registry.storage, kind="User") as server:
        found = ask("ghcr", server, [repo], tmp_path, monkeypatch)
        assert server.paths[0] == f"/users/{repo.partition('/')[0]}"
    assert {one.digest for one in found.manifests[repo]} == filled_registry.content.manifests[repo]


def on(path: str, reply: Reply) -> Callable[[Asked, Reply], Reply]:
    """Return a change of the answers for paths with this in them."""
    return lambda asked, usual: reply if path in asked.path else usual


def body(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode())


NO_LISTS = {
    "half way": ("page=3", Reply(500)),
    "not permitted": ("versions", Reply(403)),
    "not there": ("versions", Reply(404)),
    "broken": ("page=2", Reply(200, b"[{", {"Content-Length": "100"}, cut=2)),
    "no JSON": ("page=2", Reply(200, b"<html>")),
    "an object": ("page=2", body({"message": "hello"})),
    "numbers": ("page=2", body([1, 2])),
    "no digest": ("page=2", body([{"name": "../../etc", "digest": "sha256:ABC"}])),
    "a digest that is none": ("page=2", body([{"name": ["sha256:" + "a" * 64], "digest": None}])),
    "without an end": ("page=2", Reply(200, b"[]", {"Link": '<?page=2>; rel="next"'})),
    "nested": ("page=2", Reply(200, b"[" * 200_000)),
    "many elements": ("page=2", Reply(200, b"[" + b"{}," * 2_000_000 + b"{}]")),
    "limited": ("page=2", Reply(429, b"", {"Retry-After": "0"})),
}


@pytest.mark.parametrize("case", NO_LISTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_list_that_is_not_whole_is_none(
    filled_registry: FilledRegistry, name: str, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, reply = NO_LISTS[case]
    path = "artifacts" if name == "harbor" and path == "versions" else path
    with vendor_apis(filled_registry.storage, change=on(path, reply)) as server:
        found = ask(name, server, sorted(filled_registry.content.manifests), tmp_path, monkeypatch)
    assert found.manifests == {}
    assert found.why
    assert found.why.isprintable()
    assert len(found.why) < 300
    assert TOKEN not in found.why + repr(found)


@pytest.mark.parametrize(("field", "value"), [("references", [{"child_digest": "x"}]), ("accessories", "many")])
def test_odd_artifacts_of_harbor(
    filled_registry: FilledRegistry, field: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = {"digest": "sha256:" + "a" * 64, field: value}
    with vendor_apis(filled_registry.storage, change=on("artifacts?", body([artifact]))) as server:
        found = ask("harbor", server, ["team/app"], tmp_path, monkeypatch)
    assert (found.manifests, bool(found.why)) == ({}, True)


def test_artifacts_that_contain_each_other_end(
    filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [f"sha256:{i:064x}" for i in range(40)]

    def change(asked: Asked, _: Reply) -> Reply:
        digest = asked.path.partition("artifacts/")[2].partition("?")[0]
        if not digest:
            return body([{"digest": digests[0], "references": [{"child_digest": digests[1]}]}])
        after = digests[(digests.index(digest) + 1) % len(digests)]
        return body({"digest": digest, "references": [{"child_digest": after}, {"child_digest": digests[0]}]})

    with vendor_apis(filled_registry.storage, change=change) as server:
        found = ask("harbor", server, ["team/app"], tmp_path, monkeypatch)
    assert found.why.endswith("lists indexes within indexes without an end")


def test_fewer_artifacts_than_harbor_says(
    filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(_: Asked, reply: Reply) -> Reply:
        return reply._replace(headers={"X-Total-Count": "1000"})

    with vendor_apis(filled_registry.storage, change=change, size=100) as server:
        found = ask("harbor", server, [min(filled_registry.content.manifests)], tmp_path, monkeypatch)
    assert found.why.endswith("of 1000 artifacts")


def test_without_a_token_github_is_not_asked(
    filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GH_TOKEN")
    with vendor_apis(filled_registry.storage) as server:
        found = ask("ghcr", server, ["acme/app"], tmp_path, monkeypatch)
        assert server.paths == []
    why = "their list needs a token with the right read:packages (GH_TOKEN, or docker login ghcr.io)"
    assert found == Listed({}, why, is_denied=True)


def test_a_wrong_token_is_a_reason_and_no_error(
    filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", "wrong")
    with vendor_apis(filled_registry.storage) as server:
        found = ask("ghcr", server, ["acme/app"], tmp_path, monkeypatch)
    assert "does not permit their list: it needs a token with the right read:packages" in found.why


@pytest.mark.parametrize(
    ("environ", "header"),
    [
        ({"GH_TOKEN": "a", "GITHUB_TOKEN": "b"}, "Bearer a"),
        ({"GITHUB_TOKEN": "b"}, "Bearer b"),
        ({}, "Bearer of-docker"),
    ],
)
def test_where_the_token_of_github_comes_from(tmp_path: Path, environ: dict[str, str], header: str) -> None:
    as_user(tmp_path, "ghcr.io", "me", "of-docker")
    found = github.login(Remote("registry", "https", "ghcr.io"), {"DOCKER_CONFIG": str(tmp_path)} | environ)
    assert found == header
    assert header not in repr(found)


def test_a_login_is_sent_to_no_other_host(
    filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vendor_apis(filled_registry.storage) as other:
        elsewhere = on("versions", Reply(302, b"", {"Location": f"{other.url}/orgs/team1/packages"}))
        with vendor_apis(filled_registry.storage, change=elsewhere) as server:
            found = ask("ghcr", server, ["team1/app1"], tmp_path, monkeypatch)
        assert {asked.headers["Authorization"] for asked in other.seen} == {None}
    assert found.manifests == {}


def test_names_with_odd_characters_stay_in_their_place(
    filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vendor_apis(filled_registry.storage) as server:
        ask("harbor", server, ["team/../../users?x=1#y/%2e"], tmp_path, monkeypatch)
        assert [path.partition("?")[0] for path in server.paths] == [
            "/api/v2.0/projects/team/repositories/..%252F..%252Fusers%253Fx%253D1%2523y%252F%25252e/artifacts"
        ]


@pytest.mark.parametrize("repo", ["app", ""])
@pytest.mark.parametrize("name", NAMES)
def test_a_repository_without_an_owner_has_no_list(
    filled_registry: FilledRegistry, name: str, repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vendor_apis(filled_registry.storage) as server:
        assert ask(name, server, [repo], tmp_path, monkeypatch).why
        assert server.paths == []


@pytest.mark.parametrize(
    ("place", "service", "option", "name"),
    [
        ("ghcr.io", "ghcr.io", "auto", "ghcr"),
        ("ghcr.io:443", "", "auto", "ghcr"),
        ("ghcr.io.example", "", "auto", ""),
        ("reg.example", "harbor-registry", "auto", "harbor"),
        ("reg.example", "Docker registry", "auto", ""),
        ("reg.example", "", "harbor", "harbor"),
        ("ghcr.io", "harbor-registry", "none", ""),
    ],
)
def test_the_adapter_of_a_registry(place: str, service: str, option: str, name: str) -> None:
    found = adapter_for(Remote("registry", "https", place), service, option)
    assert (found.name if found else "") == name


def test_an_unknown_option() -> None:
    with pytest.raises(AddressError, match="'harbour' is no list of untagged manifests"):
        adapter_for(Remote("registry", "https", "reg.example"), "", "harbour")
    assert table.OPTIONS == ("auto", "ghcr", "harbor", "none")


def test_times() -> None:
    assert listing.microseconds("1970-01-01T00:00:01.5Z", "1970-01-01T00:00:02+00:00") == 2_000_000
    assert listing.microseconds("soon", None, 5) == -1
    assert Unnamed("sha256:0").modified == -1  # type: ignore[arg-type]
