"""Credentials are found where docker and podman keep them."""

from __future__ import annotations

import base64
import os
import threading
from typing import TYPE_CHECKING

import pytest

from blobkit.sources.web.credentials import Credential, Kept, find, looked_at
from blobkit.sources.web.hidden import Hidden
from remote_servers.keeping import Home
from remote_servers.secrets import IDENTITY, PAIR, SECRET, USER

if TYPE_CHECKING:
    from pathlib import Path

HOST = "registry.example:5000"
KEY = "registry_example_5000"
GOOD = Credential(Hidden(SECRET), Hidden(USER))
TOKEN = Credential(Hidden(IDENTITY), kind="identity")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def pair(user: str, secret: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}


def test_nothing_is_found_where_there_is_nothing(home: Home) -> None:
    assert find(HOST, environ=home.environ) is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": PAIR}, GOOD),
        ({"auth": PAIR, "username": "", "password": ""}, GOOD),
        ({"username": USER, "password": SECRET}, GOOD),
        ({"identitytoken": IDENTITY}, TOKEN),
        ({"auth": PAIR, "identitytoken": IDENTITY}, TOKEN),
        ({"registrytoken": "t0ken"}, Credential(Hidden("t0ken"), kind="registry")),
        (pair("a", "b:c:d"), Credential(Hidden("b:c:d"), Hidden("a"))),
        (pair("a", "ü\0"), Credential(Hidden("ü"), Hidden("a"))),
        (pair("<token>", IDENTITY), TOKEN),
        ({}, None),
        ({"auth": ""}, None),
        ({"auth": "####"}, None),
        ({"auth": "/////w=="}, None),
        ({"auth": base64.b64encode(b"no colon").decode()}, None),
        (pair("", "secret"), None),
        (pair("user", ""), None),
        ({"auth": 5, "username": ["x"]}, None),
    ],
)
def test_entries_of_auths(home: Home, entry: dict[str, object], expected: Credential | None) -> None:
    home.docker(auths={HOST: entry})
    assert find(HOST, environ=home.environ) == expected


@pytest.mark.parametrize(
    "key", [HOST, f"https://{HOST}", f"https://{HOST}/", f"http://{HOST}/v1/", f"https://{HOST}/v2/"]
)
def test_a_key_may_be_a_url(home: Home, key: str) -> None:
    home.docker(auths={key: {"auth": PAIR}})
    assert find(HOST, environ=home.environ) == GOOD


@pytest.mark.parametrize(
    "key", ["registry.example", "other.example:5000", f"{HOST}.evil", f"https://evil/{HOST}", "example"]
)
def test_another_host_has_other_credentials(home: Home, key: str) -> None:
    home.docker(auths={key: {"auth": PAIR}})
    assert find(HOST, "team/app", environ=home.environ) is None


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
def test_docker_hub_has_a_key_of_its_own(home: Home, host: str, key: str) -> None:
    home.docker(auths={key: {"auth": PAIR}})
    assert find(host, "library/nginx", environ=home.environ) == GOOD
    assert find("hub.example", environ=home.environ) is None


def test_a_host_is_the_same_in_any_case(home: Home) -> None:
    home.docker(auths={HOST: {"auth": PAIR}})
    assert find(HOST.upper(), environ=home.environ) == GOOD


def test_the_longest_path_of_podman_counts(home: Home) -> None:
    home.podman(
        auths={
            HOST: pair("host", "1"),
            f"{HOST}/team": pair("team", "2"),
            f"{HOST}/team/app": pair("app", "3"),
            f"{HOST}/te": pair("other", "4"),
        }
    )
    users = {
        name: Kept(HOST, home.environ).find(name)
        for name in ("", "shop", "team/web", "team/app", "team/app/x", "tea/m")
    }
    assert {name: str(found.user) for name, found in users.items() if found} == {
        "": "host",
        "shop": "host",
        "team/web": "team",
        "team/app": "app",
        "team/app/x": "app",
        "tea/m": "host",
    }


def test_the_order_of_files(home: Home, tmp_path: Path) -> None:
    own = home.write(tmp_path / "own.json", {"auths": {HOST: pair("own", "x")}})
    docker = home.write(tmp_path / "docker/config.json", {"auths": {HOST: pair("docker", "x")}})
    home.docker(auths={HOST: pair("home", "x")})
    home.podman(auths={HOST: pair("podman", "x")})
    config = home.write(home.root / ".config/containers/auth.json", {"auths": {HOST: pair("config", "x")}})
    elsewhere = home.write(tmp_path / "xdg/containers/auth.json", {"auths": {HOST: pair("xdg", "x")}})
    home.environ |= {"REGISTRY_AUTH_FILE": str(own), "DOCKER_CONFIG": str(docker.parent)}
    order = []
    for file in (own, docker, home.root / "run/containers/auth.json", config):
        found = find(HOST, environ=home.environ)
        order.append(found and str(found.user))
        file.unlink()
    assert order == ["own", "docker", "podman", "config"]
    assert find(HOST, environ=home.environ) is None  # ~/.docker is not looked at beside $DOCKER_CONFIG
    home.environ["XDG_CONFIG_HOME"] = str(elsewhere.parents[1])
    found = find(HOST, environ=home.environ)
    assert found
    assert found.user == "xdg"
    del home.environ["DOCKER_CONFIG"]
    found = find(HOST, environ=home.environ)
    assert found
    assert found.user == "home"


def test_without_a_runtime_directory_podman_has_another_place(home: Home) -> None:
    del home.environ["XDG_RUNTIME_DIR"]
    assert f"/run/containers/{os.getuid()}/auth.json" in looked_at(environ=home.environ)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"auths": []}', b'{"auths": {"x": 1}}', b"\xff", b"[" * 10**5])
def test_a_file_that_is_no_configuration_is_passed_over(home: Home, content: bytes) -> None:
    home.docker().write_bytes(content)
    home.podman(auths={HOST: {"auth": PAIR}})
    assert find(HOST, environ=home.environ) == GOOD


def test_what_was_looked_at_says_what_was_wrong(home: Home) -> None:
    home.docker().write_bytes(b"{" + SECRET.encode())
    (home.root / "run/containers/auth.json").mkdir(parents=True)
    kept = Kept(HOST, home.environ)
    assert kept.looked_at == looked_at(environ=home.environ)
    assert kept.find("") is None
    assert kept.looked_at == (
        f"{home.root}/.docker/config.json (not JSON)",
        f"{home.root}/run/containers/auth.json (Is a directory)",
        f"{home.root}/.config/containers/auth.json",
    )


@pytest.mark.parametrize("setting", [{"credHelpers": {HOST: "test"}}, {"credsStore": "test"}])
def test_a_helper_is_asked_for_the_host(home: Home, setting: dict[str, object]) -> None:
    home.docker(auths={HOST: {}}, **setting)
    home.helper("test", **{KEY: {"ServerURL": HOST, "Username": USER, "Secret": SECRET}})
    assert find(HOST, "team/app", environ=home.environ) == GOOD
    assert home.asked("test") == [f"get {HOST}"]


def test_a_helper_may_keep_an_identity_token(home: Home) -> None:
    home.docker(credsStore="test")
    home.helper("test", **{KEY: {"Username": "<token>", "Secret": IDENTITY}})
    assert find(HOST, environ=home.environ) == TOKEN


def test_a_helper_is_asked_for_docker_hub_by_its_key(home: Home) -> None:
    home.docker(credsStore="test")
    home.helper("test", https___index_docker_io_v1_={"Username": USER, "Secret": SECRET})
    assert find("registry-1.docker.io", "library/nginx", environ=home.environ) == GOOD


def test_the_helper_of_a_host_comes_before_the_store_and_the_store_before_the_file(home: Home) -> None:
    settings = {"credHelpers": {HOST: "one"}, "credsStore": "two", "auths": {HOST: pair("file", "x")}}
    home.docker(**settings)
    home.helper("two", **{KEY: {"Username": "two", "Secret": "x"}})
    first = home.helper("one", **{KEY: {"Username": "one", "Secret": "x"}})
    users = []
    for program in (first, home.programs / "docker-credential-two", None):
        found = find(HOST, environ=home.environ)
        users.append(found and str(found.user))
        if program:
            program.unlink()
    assert users == ["one", "two", "file"]


def test_a_helper_is_asked_once(home: Home) -> None:
    home.docker(credsStore="test", credHelpers={"other.example": "other"})
    home.helper("test", **{KEY: {"Username": USER, "Secret": SECRET}})
    kept = Kept(HOST, home.environ)
    threads = [threading.Thread(target=kept.find, args=(f"team/app{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert home.asked("test") == [f"get {HOST}"]
    assert home.asked("other") == []


@pytest.mark.parametrize("name", ["../test", "te st", "test;x", "/bin/sh", "", "a\nb", "$(x)", ["test"], 5])
def test_a_helper_whose_name_is_none_is_not_run(home: Home, name: object) -> None:
    home.docker(credsStore=name)
    home.helper("test", **{KEY: {"Username": USER, "Secret": SECRET}})
    kept = Kept(HOST, home.environ)
    assert kept.find("") is None
    assert home.asked("test") == []
    assert ("impossible name" in kept.looked_at[-1]) == (isinstance(name, str) and name != "")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo credentials not found in native keychain; exit 1", "has none"),
        ("echo s3cr3t; echo s3cr3t >&2; exit 1", "failed"),
        ("echo s3cr3t", "gives no JSON"),
        ("echo '{}'", "has none"),
        ('echo \'{"Username": "x", "Secret": 5}\'', "has none"),
        ("kill -9 $$", "failed"),
        (None, "is not installed"),
    ],
)
def test_a_helper_that_fails_is_told_and_the_file_counts(home: Home, script: str | None, said: str) -> None:
    home.docker(credsStore="test")
    if script:
        home.helper("test").write_text(f"#!/bin/sh\n{script}\n")
    kept = Kept(HOST, home.environ)
    assert kept.find("") is None
    assert kept.looked_at[-1] == f"docker-credential-test {said}"
    home.docker(credsStore="test", auths={HOST: {"auth": PAIR}})
    assert find(HOST, environ=home.environ) == GOOD


def test_a_program_that_cannot_be_run_is_told(home: Home) -> None:
    home.docker(credsStore="test")
    home.helper("test").write_bytes(b"\x7fELF no program")
    kept = Kept(HOST, home.environ)
    assert kept.find("") is None
    assert kept.looked_at[-1] == "docker-credential-test cannot be run"
