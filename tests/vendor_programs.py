"""Programs named gh, aws, az, gcloud that answer as their documents say, over a registry that is a JSON file.

`Shop` makes the file and the programs; each call is recorded in it. `jq` and `jmespath` evaluate the expressions that
gh (`--jq`), aws and az (`--query`) are given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import jmespath

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.snapshot.snapshot import Snapshot

    State = dict[str, Any]

PROGRAMS = ("gh", "aws", "az", "gcloud")
STATE = "VENDOR_STATE"


class Shop:
    """The manifests of a vendor's registry in a file, and programs in a directory that change it."""

    def __init__(self, where: Path, snapshot: Snapshot) -> None:
        self.path, self.programs = where / "state.json", where / "bin"
        self.programs.mkdir()
        for name in PROGRAMS:
            program = self.programs / name
            program.write_text(
                f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {os.fspath(Path(__file__).parent)!r})\n"
                "import vendor_programs\nvendor_programs.main()\n"
            )
            program.chmod(0o755)
        self.write({"repos": manifests_of(snapshot), "calls": []})

    def read(self) -> State:
        state: State = json.loads(self.path.read_text())
        return state

    def write(self, state: State) -> None:
        self.path.write_text(json.dumps(state))

    def move(self, repo: str, tag: str, digest: str) -> None:
        """Let a tag name another manifest, as a push does."""
        state = self.read()
        for one in state["repos"][repo].values():
            one["tags"] = [name for name in one["tags"] if name != tag]
        state["repos"][repo].setdefault(digest, {"id": 99, "tags": [], "children": []})["tags"].append(tag)
        self.write(state)

    @property
    def left(self) -> dict[str, list[str]]:
        """The tags of each manifest that is still there, as `repository@digest`."""
        repos = self.read()["repos"]
        return {f"{repo}@{digest}": one["tags"] for repo, found in repos.items() for digest, one in found.items()}

    @property
    def settings(self) -> dict[str, str]:
        """Variables with which a script finds these programs."""
        return {"PATH": f"{self.programs}:{os.environ['PATH']}", STATE: os.fspath(self.path)}


def manifests_of(snapshot: Snapshot) -> dict[str, dict[str, State]]:
    """Return the manifests of each repository: number, tags, children."""
    found: dict[str, dict[str, State]] = {}
    pins = snapshot.pins.to_pylist()
    for number, pin in enumerate(pin for pin in pins if pin["kind"] == "revision"):
        digest = pin["name"].rpartition("@")[2]
        links = [link for link in snapshot.links.to_pylist() if link["source"] == snapshot.find(digest)]
        children = [snapshot.key(link["target"]) for link in links if link["kind"] == "child"]
        found.setdefault(pin["group"], {})[digest] = {"id": number + 1, "tags": [], "children": children}
    for pin in pins:
        if pin["kind"] == "tag":
            tag = pin["name"].removeprefix(f"{pin['group']}:")
            found[pin["group"]][snapshot.key(pin["node"])]["tags"].append(tag)
    return found


def main() -> None:
    """Run as the program of the name that it was called by."""
    path, name = Path(os.environ[STATE]), Path(sys.argv[0]).name
    state = json.loads(path.read_text())
    state["calls"].append([name, *sys.argv[1:]])
    try:
        answer = _RUN[name](state, sys.argv[1:])
    finally:
        path.write_text(json.dumps(state))
    if answer:
        print(answer)  # noqa: T201 (a program)


def _options(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the words without options, and the options with their values ("" for a flag)."""
    plain, options, at = [], {}, 0
    flags = {"--paginate", "--yes", "--quiet", "--include-tags"}
    while at < len(words):
        word = words[at]
        if word in flags:
            options[word] = ""
        elif word.startswith("-"):
            options[word], at = words[at + 1], at + 1
        else:
            plain.append(word)
        at += 1
    return plain, options


def _named(found: State, name: str) -> str:
    """Return the digest of a tag or digest; the program ends if nothing has that name."""
    digest = name if name in found else next((one for one in found if name in found[one]["tags"]), "")
    return digest or sys.exit(f"not found: {name}")


def _gh(state: State, words: list[str]) -> str:
    (_, url), options = _options(words)
    parts = [unquote(part) for part in urlsplit(url).path.split("/")[1:]]
    if len(parts) == 2:
        return _jq({"login": parts[1], "type": state.get("type", "Organization")}, options["--jq"])
    assert parts[0] == ("orgs" if state.get("type", "Organization") == "Organization" else "users")
    repo = state["repos"].get(f"{parts[1]}/{parts[4]}", {})
    answers = {
        str(one["id"]): {
            "id": one["id"],
            "name": digest,
            "metadata": {"package_type": "container", "container": {"tags": one["tags"]}},
        }
        for digest, one in repo.items()
    }
    if len(parts) == 6:
        return _jq(list(answers.values()), options["--jq"])
    if parts[6] not in answers:
        sys.exit("gh: Not Found (HTTP 404)")
    if options.get("-X") == "DELETE":
        repo.pop(answers[parts[6]]["name"])
        return ""
    return _jq(answers[parts[6]], options["--jq"])


def _jq(value: object, expression: str) -> str:
    ran = subprocess.run(["jq", "-r", expression], input=json.dumps(value), capture_output=True, text=True, check=True)
    return ran.stdout.rstrip("\n")


def _aws(state: State, words: list[str]) -> str:
    (service, operation), options = _options(words)
    repo, image = options["--repository-name"], options["--image-ids"].partition("=")[2]
    repo = f"{options['--registry-id']}/{repo}" if service == "ecr-public" else repo
    found = state["repos"][repo]
    if operation == "describe-images":
        digest = _named(found, image)
        tags = {"imageTags": found[digest]["tags"]} if found[digest]["tags"] else {}
        return _queried({"imageDetails": [{"imageDigest": digest, **tags}]}, options["--query"])
    digest = _named(found, image)
    parents = [one for one in found if digest in found[one]["children"]]
    is_last = digest == image or found[digest]["tags"] == [image]
    if is_last and parents:
        failure = {"failureCode": "ImageReferencedByManifestList", "failureReason": f"referenced by {parents}"}
        return _queried({"imageIds": [], "failures": [failure]}, options["--query"])
    if is_last:
        del found[digest]
    else:
        found[digest]["tags"].remove(image)
    return _queried({"imageIds": [{"imageDigest": digest}], "failures": []}, options["--query"])


def _queried(value: object, expression: str) -> str:
    found = jmespath.search(expression, value)
    rows = found if isinstance(found, list) and found and isinstance(found[0], list) else [found]
    lines = ["\t".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows]
    return "\n".join(lines)


def _az(state: State, words: list[str]) -> str:
    (_, _, operation), options = _options(words)
    repo, _, name = options["--image"].replace("@", ":", 1).partition(":")
    found = state["repos"][repo]
    digest = _named(found, name)
    if operation == "show":
        return _queried({"digest": digest, "tags": found[digest]["tags"]}, options["--query"]).replace("\t", "\n")
    if operation == "untag":
        found[digest]["tags"].remove(name)
    elif "--yes" in options:
        del found[digest]
    return ""


def _gcloud(state: State, words: list[str]) -> str:
    (_, _, kind, operation, image), options = _options(words)
    prefix = state.get("prefix", "")
    name, _, reference = image.removeprefix(prefix).replace("@", ":", 1).partition(":")
    found = state["repos"][name]
    if operation == "list":
        assert options["--format"] == "value(package, version, tags)"
        rows = [f"{image}\t{digest}\t{','.join(one['tags'])}" for digest, one in found.items()]
        return "\n".join([*rows, f"{image}/other\tsha256:{'0' * 64}\t1,2"])
    assert "--quiet" in options
    digest = _named(found, reference)
    if kind == "tags":
        found[digest]["tags"].remove(reference)
        return ""
    if found[digest]["tags"] or any(digest in one["children"] for one in found.values()):
        sys.exit(f"Cannot delete image {image} because it is tagged, or referenced")
    del found[digest]
    return ""


_RUN: dict[str, Callable[[State, list[str]], str]] = {"gh": _gh, "aws": _aws, "az": _az, "gcloud": _gcloud}
