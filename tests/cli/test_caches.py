"""Commands about the caches of models that people have, found where the tools keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit import demo
from caches import HubCache, OllamaModels
from commands import command

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "OLLAMA_MODELS")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    HubCache(tmp_path / ".cache/huggingface/hub").fill()
    OllamaModels(tmp_path / ".ollama/models").fill()
    for name in ("datasets", "xet"):
        (tmp_path / ".cache/huggingface" / name).mkdir()
    return tmp_path


def said(home: Path, *words: str, code: int = 0, **variables: str) -> str:
    environment = dict.fromkeys(VARIABLES, "") | {"HOME": str(home)} | variables
    done = command(*words, cwd=home, **environment)
    assert done.returncode == code, done
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("audit huggingface", "copies"),
        ("tags huggingface", "model/acme/tiny@v1.0"),
        ("ls huggingface", "models--acme--tiny/blobs/"),
        ("simulate huggingface model/acme/tiny@v1.0", "also untagged: model/acme/tiny@main"),
        ("simulate huggingface model/acme/tiny@main --script hf", "hf cache rm --yes"),
        ("usage huggingface --by repo", "model/acme/tuned"),
        ("plan huggingface --free 1KB", "frees"),
        ("compare-gc huggingface hf", "hf cache prune would remove"),
        ("audit ollama", "stale-upload|upload"),
        ("tags ollama", "me/assistant:v1"),
        ("simulate ollama llama3:8b", "llama3:latest"),
        ("simulate ollama llama3:8b --script ollama", "ollama rm"),
        ("usage ollama --by repo", "hf.co/acme/tiny"),
        ("compare-gc ollama ollama", "ollama serve would remove"),
    ],
)
def test_the_name_of_the_kind_is_enough(home: Path, words: str, shown: str) -> None:
    text = said(home, *words.split())
    assert any(one in text for one in shown.split("|")), text


def test_environment_and_paths_come_first(home: Path) -> None:
    demo.hub(home / "elsewhere/hub", unit=1)
    assert "elsewhere" in said(home, "audit", "huggingface", HF_HOME=str(home / "elsewhere"))
    assert "elsewhere" in said(home, "audit", "huggingface", HF_HUB_CACHE=str(home / "elsewhere/hub"))
    HubCache(home / "huggingface").revision("model/my/own", "one", {"f": b"f" * 400}, ["main"])
    assert "model/my/own@main" in said(home, "tags", "huggingface")


def test_what_lies_beside_and_above_is_told(home: Path) -> None:
    assert "give the store in it, .cache/huggingface/hub" in said(home, "audit", ".cache/huggingface", code=2)
    assert "part of the huggingface store" in said(home, "audit", ".cache/huggingface/hub/models--acme--tiny", code=2)
    text = said(home, "audit", ".cache/huggingface/datasets", code=2)
    assert "the cache of prepared data sets" in text
    assert "huggingface/hub" in text
    assert "give the store in it, .ollama/models" in said(home, "audit", ".ollama", code=2)


def test_there_are_no_blobs_to_import(home: Path) -> None:
    text = said(home, "import", "huggingface", "store", code=2)
    assert "nothing can be imported from it" in text
    assert not (home / "store").exists()


def test_why_takes_the_path_of_a_file(home: Path) -> None:
    path = next((home / ".cache/huggingface/hub/models--acme--tuned/blobs").glob("????????????????????????????????*"))
    key = str(path.relative_to(home / ".cache/huggingface/hub"))
    assert "is held by" in said(home, "why", "huggingface", key)
