"""Scripts for caches of models run the tool once for each name, and skip what is not as it was."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import blobkit
import ollama_model
from caches import HubCache, OllamaModels, commit_of

WEIGHTS, OTHER = b"weights " * 200, b"other weights " * 90

FAKE_OLLAMA = f"""#!/bin/sh
export PYTHONPATH={shlex.quote(os.fspath(Path(ollama_model.__file__).parent))}
exec {shlex.quote(sys.executable)} -c '
import os, sys
import ollama_model
from pathlib import Path
assert sys.argv[1] == "rm"
ollama_model.remove(Path(os.environ["MODELS"]), sys.argv[2])
' "$@"
"""
FAKE_HF = """#!/bin/sh
[ "$1" = version ] || echo "$@" >> "$LOG"
"""


def run(script: str, tools: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", **variables}
    return subprocess.run(["sh", "-c", script], env=environment, check=False, capture_output=True, text=True)


def made(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path.parent


@pytest.fixture
def models(tmp_path: Path) -> OllamaModels:
    found = OllamaModels(tmp_path / "models")
    found.fill()
    return found


@pytest.mark.slow
def test_ollama_removes_what_the_preview_says(models: OllamaModels, tmp_path: Path) -> None:
    tools = made(tmp_path / "bin" / "ollama", FAKE_OLLAMA)
    before = blobkit.scan(models.root, progress=False)
    preview = before.simulate_deref("llama3:8b", "llama3:latest", "hf.co/acme/tiny:Q4_K_M")
    done = run(preview.script(), tools, MODELS=str(models.root))
    assert (done.returncode, done.stderr) == (0, "0 skipped\n")
    after = blobkit.scan(models.root, progress=False)
    assert set(before.to_frame().index) - set(after.to_frame().index) == set(preview.digests)


def test_ollama_skips_a_name_that_changed(models: OllamaModels, tmp_path: Path) -> None:
    tools = made(tmp_path / "bin" / "ollama", FAKE_OLLAMA)
    script = blobkit.simulate_deref(models.root, "llama3:8b", "llama3:latest").script()
    models.model("llama3:8b", OTHER)
    models.path("llama3:latest").unlink()
    done = run(script, tools, MODELS=str(models.root))
    assert "2 skipped" in done.stderr
    assert models.path("llama3:8b").exists()


def test_ollama_with_its_models_elsewhere_is_told(models: OllamaModels, tmp_path: Path) -> None:
    tools = made(tmp_path / "bin" / "ollama", "#!/bin/sh\n")
    done = run(blobkit.simulate_deref(models.root, "llama3:8b").script(), tools)
    assert "has its models elsewhere" in done.stderr


@pytest.fixture
def cache(tmp_path: Path) -> HubCache:
    found = HubCache(tmp_path / "hub")
    found.revision("model/a/b", "one", {"w": WEIGHTS}, ["main", "refs/pr/1"])
    found.revision("model/a/b", "two", {"w": OTHER})
    return found


def test_hf_is_called_for_each_revision(cache: HubCache, tmp_path: Path) -> None:
    tools, log = made(tmp_path / "bin" / "hf", FAKE_HF), tmp_path / "log"
    script = blobkit.simulate_deref(cache.root, "model/a/b@main", f"model/a/b@{commit_of('two')}").script()
    done = run(script, tools, LOG=str(log))
    assert "2 skipped" in done.stderr  # the stand-in removes nothing, and the script looks
    called = [f"cache rm --yes --cache-dir . {commit_of(one)}" for one in ("one", "two")]
    assert sorted(log.read_text().splitlines()) == sorted(called)


@pytest.mark.parametrize(("ref", "commit"), [("main", "two"), ("new", "one"), ("refs/pr/1", "gone")])
def test_hf_is_not_called_if_a_ref_changed(cache: HubCache, tmp_path: Path, ref: str, commit: str) -> None:
    tools, log = made(tmp_path / "bin" / "hf", FAKE_HF), tmp_path / "log"
    script = blobkit.simulate_deref(cache.root, "model/a/b@main").script()
    cache.ref("model/a/b", ref, commit_of(commit))
    assert "1 skipped" in run(script, tools, LOG=str(log)).stderr
    assert not log.exists()


def test_refs_are_removed_and_pruned(cache: HubCache, tmp_path: Path) -> None:
    tools, log = made(tmp_path / "bin" / "hf", FAKE_HF), tmp_path / "log"
    script = blobkit.simulate_deref(cache.root, "model/a/b@main", policy="refs").script()
    assert run(script, tools, LOG=str(log)).stderr == "0 skipped\n"
    assert log.read_text() == "cache prune --yes --cache-dir .\n"
    left = sorted(path.name for path in (cache.folder("model/a/b") / "refs").rglob("*") if path.is_file())
    assert left == ["1"]


def test_names_of_strangers_are_quoted(cache: HubCache, tmp_path: Path) -> None:
    cache.revision("model/a/$(touch hurt)", "three", {"w": b"w" * 300}, ["-rf", "; touch hurt"])
    tools = made(tmp_path / "bin" / "hf", FAKE_HF)
    for policy in ("revisions", "refs"):
        script = blobkit.simulate_deref(cache.root, groups=["model/a/$(touch hurt)"], policy=policy).script()
        assert run(script, tools, LOG=str(tmp_path / "log")).returncode == 0
    assert not list(tmp_path.rglob("hurt"))


@pytest.mark.parametrize("policy", ["revisions", "refs"])
def test_shellcheck_finds_nothing(cache: HubCache, models: OllamaModels, policy: str) -> None:
    scripts = [
        blobkit.simulate_deref(cache.root, "model/a/b@main", policy=policy).script(),
        blobkit.simulate_deref(models.root, "llama3:8b").script(),
    ]
    for script in scripts:
        try:
            done = subprocess.run(["shellcheck", "-"], input=script, check=False, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("shellcheck is not on PATH")
        assert done.stdout == ""
