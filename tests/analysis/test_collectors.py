"""What stops a collector, and what it removed by then: facts under the rules of a tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.analysis.collectors import removed_before_stop, would_abort
from blobkit.snapshot.snapshot import build
from blobkit.snapshot.stores.oci import UMOCI
from layouts import nowhere

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.snapshot.tables import Notice

KEPT, *GARBAGE = (nowhere(number) for number in (5, 2, 4, 6, 8))


def snapshot(*notices: Notice, policy: str = "strong") -> Snapshot:
    """One blob that is named, and garbage before and after it."""
    nodes = {"key": [KEPT, *GARBAGE], "size": [1] * 5, "stored": ["yes"] * 5}
    pins = {"node": [0], "name": ["kept"], "kind": ["entry"]}
    links: dict[str, list[object]] = {"source": [], "target": [], "kind": []}
    return build("oci", "x", nodes=nodes, links=links, pins=pins, notices=notices, policy=policy)


def by_then(found: Snapshot, gone: tuple[int, ...] = ()) -> list[str]:
    return found.keys(removed_before_stop(found, gone))


def test_nothing_stops_a_sound_store() -> None:
    assert would_abort(snapshot()) == ()
    assert by_then(snapshot()) == []


def test_only_what_is_reached_stops_it() -> None:
    assert would_abort(snapshot(("undecoded", GARBAGE[0], "", "bad"))) == ()
    found = snapshot(("undecoded", KEPT, "", "bad"))
    assert would_abort(found) == ("umoci gc would abort: bad",)
    assert would_abort(found, [found.find(KEPT)]) == ()
    assert would_abort(snapshot(("undecoded", KEPT, "", "bad"), policy="dependent")) == ()


def test_what_is_about_no_node_stops_it_always() -> None:
    assert would_abort(snapshot(("layout-file", "", "", "no oci-layout"))) == ("umoci gc would abort: no oci-layout",)
    assert would_abort(snapshot(("missing", nowhere(99), "", "gone"))) == ("umoci gc would abort: gone",)


def test_a_rule_may_ask_for_a_node() -> None:
    assert would_abort(snapshot(("unreadable", "", "blobs/md5", "denied"))) == ()
    assert would_abort(snapshot(("unreadable", nowhere(99), "", "denied"))) == ()
    assert would_abort(snapshot(("unreadable", KEPT, "", "denied"))) == ("umoci gc would abort: denied",)


def test_a_late_stop_has_removed_what_sorts_before() -> None:
    for last, removed in (("", 0), (GARBAGE[0], 1), (KEPT, 2), (GARBAGE[3], 4), ("sha256:" + "f" * 64, 4)):
        found = snapshot(("sweep", last, "", "junk"))
        assert would_abort(found) == ("umoci gc would abort: junk",)
        assert by_then(found) == GARBAGE[:removed]
    found = snapshot(("sweep", KEPT, "", "junk"))
    assert by_then(found, (found.find(KEPT),)) == sorted([*GARBAGE[:2], KEPT])


def test_the_first_late_stop_counts_and_an_early_one_comes_before() -> None:
    late: tuple[Notice, Notice] = ("path", GARBAGE[3], "", "path"), ("sweep", GARBAGE[0], "", "junk")
    assert by_then(snapshot(*late)) == GARBAGE[:1]
    found = snapshot(*late, ("layout-file", "", "", "no oci-layout"))
    assert by_then(found) == []
    assert would_abort(found)[0] == "umoci gc would abort: no oci-layout"


def test_what_cannot_be_seen_is_not_known() -> None:
    hidden = ("behind-link", KEPT, "", "outside")
    found = snapshot(hidden, ("missing", KEPT, "", "gone"), ("sweep", KEPT, "", "junk"))
    assert would_abort(found) == ("what umoci gc does is not known: outside", "umoci gc would abort: junk")
    assert by_then(found) == []
    everything = snapshot(("behind-link", "", "", "all outside"), ("missing", KEPT, "", "gone"))
    assert would_abort(everything) == ("what umoci gc does is not known: all outside",)


def test_each_rule_has_one_code_and_says_what_it_is_about() -> None:
    assert len(UMOCI.codes) == len(UMOCI.stops)
    assert all(rule.reason for rule in UMOCI.stops)
    assert {rule.code for rule in UMOCI.stops if rule.late} == {"sweep", "path"}
