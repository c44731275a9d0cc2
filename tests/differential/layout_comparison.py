"""One random layout: what the real umoci did with it, against what blobkit says, as sentences about what differs."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import blobkit
import real_umoci
from blobkit.analysis.collectors import removed_before_stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from layout_builder import Case
    from real_umoci import Run

REFUSED = frozenset({"top-null", "nested-9999-top"})
"""Damage of index.json for which blobkit refuses a layout that umoci reads: as an empty one, or nested absurdly."""
MINUTE = 60
WOULD = "umoci gc would abort"
NOT_KNOWN = "what umoci gc does is not known"


@dataclass
class Comparison:
    """Compares one layout after the other, and counts what was reached."""

    counts: Counter[str] = field(default_factory=Counter)

    def differences(self, case: Case, rng: Random) -> Iterator[str]:
        """Yield what differs: the collection as it is, after some names are dropped, and what a script does.

        The layout is changed by the script.
        """
        real = real_umoci.gc(case.root)
        self.counts[f"umoci stops: {real.reason}" if real.stopped else "umoci collects"] += 1
        self.counts["umoci stops after it removed some"] += bool(real.stopped and real.removed)
        try:
            snapshot = blobkit.scan(f"oci:{case.root}", policy="strong", progress=False)
        except blobkit.UnreadableStoreError as error:
            self.counts["blobkit refuses it"] += 1
            if not (real.stopped and not real.removed) and REFUSED.isdisjoint(case.damage):
                yield f"refused ({error}), and umoci removes {len(real.removed)}"
            return
        leads_out = any("out" in name.split("-") for name in case.damage)
        yield from _hidden(snapshot, real) if leads_out else self._collected(snapshot, real)
        if not leads_out:
            yield from self._dropped(case, snapshot, rng)
            yield from self._scripted(case, snapshot.with_policy(rng.choice(snapshot.policies)), rng)

    def _collected(self, snapshot: blobkit.Snapshot, real: Run) -> Iterator[str]:
        """Compare `umoci gc` with compare_gc and with the policy."""
        said = blobkit.compare_gc(snapshot, "umoci")
        if bool(said.aborts) != real.stopped:
            yield f"aborts {said.aborts}, and umoci ends with {real.code}: {real.said[-200:]}"
        elif real.stopped:
            if set(said.removed_before_stop) != set(real.removed):
                yield f"{len(said.removed_before_stop)} before the stop, and umoci removed {len(real.removed)}"
        else:
            self.counts["umoci takes what names need"] += bool(len(said.broken))
            if said.removed_before_stop:
                yield "removed_before_stop without a stop"
            if (set(said.frame.index), said.bytes) != (set(real.removed), real.bytes):
                yield f"removes {len(said)} ({said.bytes} B), and umoci {len(real.removed)} ({real.bytes} B)"
            if unreached(snapshot) != set(real.removed) or status(snapshot, "garbage") != set(real.removed):
                yield f"{len(status(snapshot, 'garbage'))} garbage under strong, and umoci removes {len(real.removed)}"

    def _dropped(self, case: Case, snapshot: blobkit.Snapshot, rng: Random) -> Iterator[str]:
        """Compare `umoci rm` and `umoci gc` with a preview, for some names."""
        names = droppable(case, snapshot)
        if not names:
            return
        names = rng.sample(names, rng.randrange(1, len(names) + 1))
        real = real_umoci.dropped(case.root, names)
        preview = blobkit.simulate_deref(snapshot, *(f"tag:{name}" for name in names))
        self.counts["names dropped"] += 1
        if any(WOULD in notice for notice in preview.notices) != real.stopped:
            yield f"without {names}: {preview.notices}, and umoci ends with {real.code}: {real.said[-200:]}"
        elif real.stopped:
            by_then = snapshot.keys(removed_before_stop(snapshot, preview.removal.nodes.tolist()))
            if set(by_then) != set(real.removed):
                yield f"without {names}: {len(by_then)} before the stop, and umoci removed {len(real.removed)}"
        else:
            self.counts["names dropped and collected"] += 1
            if unreached(snapshot) | set(preview.digests) != set(real.removed):
                yield f"without {names}: {len(preview)} more go, and umoci removes {len(real.removed)} in all"

    def _scripted(self, case: Case, snapshot: blobkit.Snapshot, rng: Random) -> Iterator[str]:
        """Run the script for some names, and compare what goes with what was said."""
        names = sorted(set(blobkit.tags_frame(snapshot).index))
        if not names:
            return
        names = rng.sample(names, rng.randrange(1, len(names) + 1))
        preview = blobkit.simulate_deref(snapshot, *(f"tag:{name}" for name in names))
        text = preview.script("umoci")
        stays = status(snapshot, "live") - set(preview.digests)
        by_hand = "umoci gc --layout" not in text
        already = status(snapshot, "garbage") if by_hand else unreached(snapshot.with_policy("strong"))
        before = real_umoci.stored(case.root)
        done = _shell(text, case)
        gone = set(before) - set(real_umoci.stored(case.root))
        way = "does not collect" if preview.collected.stops else "by hand" if by_hand else "with umoci gc"
        self.counts[f"script {way}"] += 1
        if gone & stays:
            yield f"the script for {names} takes {len(gone & stays)} that stay under {snapshot.policy}"
        if preview.collected.stops:
            if gone:
                yield f"the script for {names} removes {len(gone)} though nothing is collected"
        elif not gone and "random-fields-top" in case.damage and "skipped" in done.stderr:
            self.counts["script skips fields given twice"] += 1  # it reads the last one only, and says what it skips
        elif done.returncode or gone - already != set(preview.collected.digests):
            said = f"{len(preview.collected.digests)} for {names} under {snapshot.policy}"
            yield f"the script ({done.returncode}) removes {len(gone - already)}, said {said}: {done.stderr[-200:]}"


def _hidden(snapshot: blobkit.Snapshot, real: Run) -> Iterator[str]:
    """Compare a layout out of which a link leads: what blobkit claims has to be so; it may say that it is not known."""
    said = blobkit.compare_gc(snapshot, "umoci")
    unsure = any(NOT_KNOWN in why for why in said.aborts)
    if not unsure and bool(said.aborts) != real.stopped:
        yield f"aborts {said.aborts}, and umoci ends with {real.code}: {real.said[-200:]}"
    if not said.aborts and set(said.frame.index) - set(real.removed):
        yield f"removes {len(said)}, and umoci {len(real.removed)}"
    if said.removed_before_stop and unsure:
        yield "removed_before_stop though it is not known"


def unreached(snapshot: blobkit.Snapshot) -> set[str]:
    frame = blobkit.to_frame(snapshot, columns=["reachable"])
    return set(frame.index[~frame["reachable"]])


def status(snapshot: blobkit.Snapshot, wanted: str) -> set[str]:
    frame = blobkit.to_frame(snapshot, columns=["status"])
    return set(frame.index[frame["status"] == wanted])


def droppable(case: Case, snapshot: blobkit.Snapshot) -> list[str]:
    """The reference names that umoci takes and that mean the same to blobkit: of one entry, or without whole names."""
    here = set(snapshot.pins["name"].to_pylist())
    return [
        name
        for name in dict.fromkeys(case.names)
        if real_umoci.takes(name)
        and name in here
        and name not in case.whole_names
        and (name not in case.whole_names.values() or case.names.count(name) == 1)
    ]


def _shell(text: str, case: Case) -> subprocess.CompletedProcess[str]:
    """Run a script in the directory above the layout, where a name that is run as a command would leave a file."""
    where = case.root.parent
    done = subprocess.run(
        ["sh", "-s"], input=text, cwd=where, capture_output=True, text=True, timeout=MINUTE, check=False
    )
    assert not (where / "PWNED").exists()
    assert not (case.root / "PWNED").exists()
    return done
