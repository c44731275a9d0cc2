"""The command line as a user has it: a process, its output, its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import blobkit
from blobkit import demo
from blobkit.present.text import TextStyle, answer_text
from commands import command
from layouts import MANIFEST, Layout, nowhere, sha
from patience import HANG

BLOBKIT = [sys.executable, "-c", "from blobkit.cli import main; main()"]


def said(*arguments: str) -> str:
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(*arguments: str) -> str:
    """Return the one line on stderr of a command that must fail with exit code 2."""
    done = command(*arguments)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("blobkit: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("cli") / "store"
    with blobkit.LocalStore(root, durability="off") as made:
        demo.fill(made)
    return str(root)


@pytest.mark.slow
def test_demo_builds_a_store_audits_it_and_previews_a_deref(tmp_path: Path) -> None:
    done = command("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with blobkit.LocalStore(tmp_path / "blobkit-demo") as made:
        freed = made.untag(demo.TARGET, dry_run=True)
    assert f"Dropping {demo.TARGET} frees {len(freed)} blobs" in done.stdout
    assert "33 blobs, 12.8 MiB: 33 live" in done.stdout
    assert "Try next:" in done.stdout


@pytest.mark.slow
def test_the_commands_that_demo_suggests_work_as_printed(tmp_path: Path) -> None:
    """Also where blobkit is on no PATH, the store has a blank in its name, and a checkout shadows the package."""
    (tmp_path / "blobkit").mkdir()
    (tmp_path / "blobkit" / "__init__.py").write_text("raise ImportError('the wrong blobkit')")
    place = {**os.environ, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(blobkit.__file__).parents[1])}

    def done(*line: str) -> str:
        ended = subprocess.run(line, cwd=tmp_path, env=place, capture_output=True, text=True, check=False, timeout=HANG)
        assert ended.returncode == 0, ended
        return ended.stdout

    shown = done(sys.executable, "-P", "-m", "blobkit", "demo", "my store").partition("Try next:\n")[2].splitlines()
    assert len(shown) == 4
    assert "shop/web:2.0" in done("sh", "-c", shown[0])
    assert "data/etl:1" in done("sh", "-c", shown[1])
    done("sh", "-c", shown[2])
    assert (tmp_path / "before.blobkit").exists()
    assert "sha256:" in done("sh", "-c", shown[3])


@pytest.mark.slow
def test_demo_leaves_a_directory_alone_that_is_not_empty(tmp_path: Path, store: str) -> None:
    (tmp_path / "file").write_text("mine")
    assert "not empty" in refused("demo", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert "already" in refused("demo", store)


@pytest.mark.slow
def test_simulate_says_what_the_real_deletion_then_frees(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s", durability="off") as made:
        demo.fill(made)
        told = json.loads(said("simulate", str(tmp_path / "s"), demo.TARGET, "--json"))
        freed = made.untag(demo.TARGET)
    assert (told["digests"], told["bytes"]) == (list(freed.digests), freed.bytes)
    assert told["exact"] is True


@pytest.mark.slow
def test_simulate_prints_the_script_that_does_it(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s", durability="off") as made:
        demo.fill(made)
        expected = blobkit.simulate_deref(made, demo.TARGET)
    script = said("simulate", str(tmp_path / "s"), demo.TARGET, "--script", "blobkit")
    assert script.startswith("#!/bin/sh\n# blobkit:")
    subprocess.run(["sh"], input=script, text=True, check=True, env=os.environ | {"PYTHON": sys.executable})
    with blobkit.LocalStore(tmp_path / "s") as left:
        assert not [digest for digest in expected.digests if digest in left]
    assert "'crane' does not fit stores of the kind blobkit: use blobkit" in refused(
        "simulate", str(tmp_path / "s"), "shop/web:*", "--script", "crane"
    )


@pytest.mark.slow
def test_plan_says_what_to_drop_and_prints_the_script_that_does_it(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s", durability="off") as made:
        demo.fill(made)
        expected = blobkit.plan(made, free="1MiB", keep="data/*")
    wanted = ("plan", str(tmp_path / "s"), "--free", "1MiB", "--keep", "data/*")
    told = json.loads(said(*wanted, "--json"))
    assert (told["tags"], told["bytes"], told["gap"]) == (list(expected.tags), expected.bytes, 0)
    assert expected.title() in said(*wanted)
    subprocess.run(
        ["sh"],
        input=said(*wanted, "--script", "blobkit"),
        text=True,
        check=True,
        env=os.environ | {"PYTHON": sys.executable},
    )
    with blobkit.LocalStore(tmp_path / "s") as left:
        assert expected.verify(left)
    assert "can be read in two ways" in refused("plan", str(tmp_path / "s"), "--free", "20G")
    assert "cannot be freed" in refused("plan", str(tmp_path / "s"), "--free", "20GiB")
    assert "no goal" in refused("plan", str(tmp_path / "s"))


@pytest.mark.slow
def test_why_says_what_reaches_a_blob(store: str) -> None:
    told = json.loads(said("why", store, "data/etl:1", "--json"))
    assert told["tags"] == ["data/etl:1"]
    assert "data/etl:1" in said("why", store, told["digest"][:20])


@pytest.mark.slow
def test_an_audit_fails_over_thresholds(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("app:1", "content")
    layout.blob("g" * 2000)
    address = str(layout.root)
    whole = command("audit", address, "--min-age", "0", "--fail-over", "garbage=1kB", "--fail-on", "error")
    assert (whole.returncode, whole.stderr) == (
        3,
        "blobkit: over the threshold: garbage: 1 blob, 2.0 KiB, more than 1000 B\n",
    )
    told = blobkit.audit(layout.scan(), min_age=0)
    exact = answer_text(told, TextStyle(bytes=True, full=True, rows=None))
    assert whole.stdout.splitlines()[2:] == exact.splitlines()[2:]  # the time is in the first two lines
    assert command("audit", address, "--fail-over", "garbage=1kB").returncode == 0  # it is young
    assert command("audit", address, "--min-age", "0", "--fail-over", "garbage=2000").returncode == 0
    layout.drop(layout.blob("content"))
    failed = command("audit", address, "--fail-on", "missing", "--json")
    assert failed.returncode == 3
    assert "missing" in [found["code"] for found in json.loads(failed.stdout)["findings"]]


@pytest.mark.slow
def test_a_diff_of_a_snapshot_and_a_store(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("app:1", "content")
    saved = str(tmp_path / "before.blobkit")
    layout.scan().save(saved)
    layout.image("app:2", "content", "more")
    told = said("diff", saved, str(layout.root))
    assert "names added: app:2" in told
    assert "became shared" in told
    told = json.loads(said("diff", saved, str(layout.root), "--json", "--by", "repo"))
    assert {row["cause"]: row["blobs"] for row in told["causes"] if row["blobs"]} == {"added": 2, "unchanged": 3}
    assert told["net"] == sum(row["net"] for row in told["blobs"])


@pytest.mark.slow
def test_a_saved_snapshot_is_an_address(store: str, tmp_path: Path) -> None:
    saved = str(tmp_path / "s.blobkit")
    done = command("scan", store, "-o", saved)
    assert (done.returncode, done.stdout) == (0, "")
    assert "33 blobs" in done.stderr
    assert said("ls", saved) == said("ls", store)
    assert said("simulate", saved, demo.TARGET).splitlines()[0] == said("simulate", store, demo.TARGET).splitlines()[0]


@pytest.mark.slow
def test_audit_as_json_has_the_totals_the_blobs_and_the_tags(store: str) -> None:
    told = json.loads(said("audit", store, "--json", "--top", "3"))
    frame = blobkit.to_frame(store)
    assert (told["blobs"], told["bytes"]) == (len(frame), int(frame["size"].sum()))
    assert told["totals"]["live"] == {"blobs": told["blobs"], "bytes": told["bytes"]}
    assert [row["digest"] for row in told["biggest"]] == list(frame["retained"].nlargest(3).index)
    assert {row["tag"] for row in told["tags"]} == set(blobkit.tags_frame(store).index)


@pytest.mark.slow
def test_ls_lists_full_digests_and_plain_bytes_into_a_pipe(store: str) -> None:
    lines = said("ls", store, "--sort", "retained", "--limit", "2").splitlines()
    top = blobkit.to_frame(store)["retained"].nlargest(2)
    assert lines[0].split() == ["digest", "size", "retained", "frees", "refcount", "kind", "status", "tags"]
    assert [line.split()[0] for line in lines[1:]] == list(top.index)
    assert [int(line.split()[2]) for line in lines[1:]] == list(top)
    assert "\x1b" not in "".join(lines)


@pytest.mark.slow
def test_tags_as_json_has_every_column(store: str) -> None:
    rows = json.loads(said("tags", store, "--json"))
    frame = blobkit.tags_frame(store)
    assert set(rows[0]) == {"tag", *frame.columns}
    assert {row["tag"]: row["exclusive"] for row in rows} == frame["exclusive"].to_dict()


@pytest.mark.slow
def test_a_group_is_dropped_whole(store: str) -> None:
    told = json.loads(said("simulate", store, "shop/web:*", "--json"))
    assert told["bytes"] > sum(
        json.loads(said("simulate", store, name, "--json"))["bytes"] for name in ("shop/web:1.0", "shop/web:1.1")
    )


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_command_quietly(store: str) -> None:
    with subprocess.Popen([*BLOBKIT, "ls", store], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE


def after(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that ran this code first."""
    line = [sys.executable, "-c", f"{code}\nfrom blobkit.cli import main\nmain()", *arguments]
    return subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=HANG, env={**os.environ, **environment}
    )


@pytest.mark.slow
def test_nobody_else_prints_amid_the_answer(store: str) -> None:
    """The solver of plans, which is written in C, prints lines of its own now and then."""
    noisy = """
import os
from scipy import optimize
quiet = optimize.milp
def milp(*given, **options):
    os.write(1, b"noise")
    return quiet(*given, **options)
optimize.milp = milp
"""
    done = after(noisy, "plan", store, "--free", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["tags"]) == 1
    assert after(noisy.replace("os.write(1", "os.write(2"), "plan", store, "--free", "1").stderr == "noise"


@pytest.mark.slow
def test_what_a_terminal_cannot_show_is_escaped_but_for_scripts(tmp_path: Path) -> None:
    Layout(tmp_path).image("日本", "content")
    latin = {"PYTHONIOENCODING": "latin-1"}
    assert "\\u65e5\\u672c" in after("", "usage", str(tmp_path), **latin).stdout
    assert "'日本'" in after("", "plan", str(tmp_path), "--free", "1", "--script", "umoci", **latin).stdout


@pytest.mark.slow
def test_streams_that_are_closed_lead_nowhere(store: str, tmp_path: Path) -> None:
    closed = "import os, sys\nos.close(1)\nsys.stdout = None\n"
    done = after(closed, "ls", store)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert after(f"{closed}os.close(2)\nsys.stderr = None", "import", store, str(tmp_path / "new")).returncode == 0
    assert len(json.loads(said("ls", str(tmp_path / "new"), "--json"))) == 33


@pytest.mark.slow
def test_an_interrupt_while_libraries_load_is_one_line(store: str) -> None:
    interrupted = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "pandas":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
"""
    done = after(interrupted, "usage", store)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "interrupted")


def test_names_from_strangers_do_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    evil = "a\x1b[31m\u202etxt\nline"
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    entry = {"digest": "sha256:" + "1" * 64, "annotations": {"org.opencontainers.image.ref.name": evil}}
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [entry]}))
    told = said("audit", str(tmp_path))
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "a\\x1b[31m\\u202etxt\\nline" in told


@pytest.mark.slow
def test_import_makes_a_store_and_a_repeat_adds_nothing(store: str, tmp_path: Path) -> None:
    mine = str(tmp_path / "mine")
    assert said("import", store, mine).startswith("imported 33 blobs, 12.8 MiB (")
    assert said("import", f"blobkit:{store}", mine) == "imported 0 blobs, 0 B (no new reference); 33 here before\n"
    with blobkit.LocalStore(store, durability="off") as theirs, blobkit.LocalStore(mine, durability="off") as ours:
        assert ours.tags() == theirs.tags()


def test_import_exits_with_1_where_blobs_were_skipped_and_refuses_them_if_strict(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("app:1", "good", "bad")
    layout.path(sha(b"bad")).write_text("evil")
    done = command("import", str(layout.root), str(tmp_path / "mine"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 blob skipped\nnotice: " in done.stdout
    assert "is not sound, nothing was imported" in refused(
        "import", "--strict", str(layout.root), str(tmp_path / "other")
    )


def test_what_cannot_be_imported(store: str, tmp_path: Path) -> None:
    blobkit.scan(store).save(tmp_path / "x.blobkit")
    assert "is a saved snapshot, which has no content" in refused("import", str(tmp_path / "x.blobkit"), "mine")
    assert "does not exist" in refused("import", str(tmp_path / "nothing"), str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
    assert "cannot be imported into itself" in refused("import", store, store)


def test_export_writes_a_layout_and_an_archive(store: str, tmp_path: Path) -> None:
    for name in ("x", "x.tar"):
        line = said("export", store, demo.TARGET, str(tmp_path / name))
        assert line.startswith(f"exported {demo.TARGET} to {tmp_path / name}: ")
    assert list(blobkit.tags_frame(tmp_path / "x").index) == [demo.TARGET]
    assert "exists: give a new file" in refused("export", store, demo.TARGET, str(tmp_path / "x.tar"))
    assert "no tag 'nothing'" in refused("export", store, "nothing", str(tmp_path / "y"))
    assert "is no blobkit store" in refused("export", str(tmp_path / "x"), demo.TARGET, str(tmp_path / "y"))


@pytest.mark.slow
def test_adopt_takes_in_what_another_program_wrote(tmp_path: Path) -> None:
    made = Layout(tmp_path / "layout")
    image = made.manifest(made.blob("layer"))
    made.add(image, "v1")
    made.write({"schemaVersion": 2, "manifests": made.entries})
    assert said("adopt", str(made.root)).startswith("adopted 1 tag, 0 entries without a tag, 3 blobs")
    assert said("tags", str(made.root)).splitlines()[1].startswith("v1 ")
    assert said("adopt", str(made.root)).startswith("adopted 0 tags, 0 entries without a tag, 0 blobs")
    index = json.loads((made.root / "index.json").read_bytes())
    index["manifests"].append({"mediaType": MANIFEST, "digest": nowhere(1), "size": 1})
    (made.root / "index.json").write_text(json.dumps(index))
    done = command("adopt", str(made.root))
    assert (done.returncode, done.stderr) == (1, "")
    assert f"not taken in: {nowhere(1)}: it is not here" in done.stdout
    assert "does not exist" in refused("adopt", str(tmp_path / "nothing"))
