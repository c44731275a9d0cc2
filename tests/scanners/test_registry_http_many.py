"""A large real registry over HTTP, against the scan of its storage directory: facts, answers, requests, CPU."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

import blobkit
from layouts import codes
from live_registry import needs
from web_fleet import AWAY, Fleet
from web_scans import CLAIMED, COLUMNS, UNSEEN, check_previews, check_same, over_http, reached, requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("aiohttp")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    needs("docker-registry")
    from remote_servers.registry import registry  # noqa: PLC0415

    root = tmp_path_factory.mktemp("fleet")
    Fleet(root / "storage")
    with registry(root) as url:
        yield url, root / "storage"


@pytest.mark.slow
def test_sixty_repositories(fleet: tuple[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url, storage = fleet
    own = blobkit.scan(storage, progress=False)
    tags = len(blobkit.tags_frame(own))
    lists = {"catalog": 1, "probe": 1, "tags": 60, "tag": tags}
    assert tags == 540
    with caplog.at_level(logging.INFO, "blobkit"):
        seen = over_http(url, cache=tmp_path)
        kinds = blobkit.to_frame(seen)["kind"].value_counts()
        new = {"manifest": int(kinds["manifest"] + kinds["index"]), "config": int(kinds["config"])}
        assert requests(caplog) == lists | new
        again = over_http(url, cache=tmp_path)
    assert requests(caplog) == lists
    check_same(own, seen, COLUMNS + CLAIMED, ("tags", "gc-m", "dependent"))
    check_same(seen, again, COLUMNS + CLAIMED, seen.policies)
    check_previews(own, seen, most=8)
    assert reached(seen) == reached(own)
    assert codes(seen) == UNSEEN | {"foreign"}
    assert seen.find(str(AWAY["digest"])) >= 0
    newest = blobkit.plan(own, keep_last=2, age_by="created", keep=["*:sha256-*"])
    assert blobkit.plan(seen, keep_last=2, age_by="created", keep=["*:sha256-*"]).tags == newest.tags != ()
