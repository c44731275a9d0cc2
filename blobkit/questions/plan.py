"""Plans that free a number of bytes: the cheapest names to drop, proven or with a known optimality gap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.planning import Choice, cheapest
from blobkit.analysis.repositories import repositories
from blobkit.digest import is_digest
from blobkit.errors import Hint, PlanError
from blobkit.present.answer import Answer
from blobkit.present.plain import records
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.progress import staged
from blobkit.protocols import as_snapshot, draw_answer, write_script
from blobkit.questions.headline import as_promised, headline, inexact, waits, when
from blobkit.questions.inputs.selection import PinSelection
from blobkit.questions.inputs.targets import flattened, resolve
from blobkit.questions.planning.candidates import Rules, costs, rules
from blobkit.questions.planning.covering import cover_of, infeasible
from blobkit.questions.planning.goals import garbage_bytes, needed_bytes
from blobkit.questions.planning.verified import Verified, verified
from blobkit.questions.preview import Preview, preview_of
from blobkit.questions.untagged import MIN_AGE, Untagged, dropped_untagged, in_groups, only_groups, revisions_view
from blobkit.render import count, human_bytes, join_some, truncate
from blobkit.snapshot.pins import pin_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from blobkit.analysis.covers import Cover
    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.collecting import Collected
    from blobkit.questions.inputs.ages import Age
    from blobkit.questions.inputs.sizes import Size
    from blobkit.questions.inputs.targets import Targets
    from blobkit.snapshot.snapshot import Snapshot

    Bools = NDArray[np.bool_]

__all__ = ["Plan", "plan"]

SECONDS = 30.0
LAST = 0.3
"""The time of the last step, relative to that of the step before the search: measured, .2 at a million blobs."""
REASONS_SHOWN = 3
NOTICES_SHOWN = 3


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Answer):
    """The names to drop to free at least `needed` bytes (None: all that the rules allow); falsy if there are none.

    `gap`: the relative optimality gap; 0: proven that no plan is cheaper. `preview` is the answer of `simulate_deref`
    for dropping `tags`; `bytes` is from it.

    >>> plan = blobkit.plan(demo.small(), free="3KiB", keep=["base/*"])
    >>> plan.bytes >= 3 * 1024, plan.gap
    (True, 0.0)
    """

    snapshot: Snapshot
    tags: tuple[str, ...]
    needed: int | None
    gap: float
    preview: Preview
    _rules: Rules
    _cover: Cover
    _dropped: Bools
    _keepers: NDArray[np.int64]
    _untagged: pd.Series[str] | None = None

    @property
    def bytes(self) -> int:
        """Bytes that are certainly freed, besides existing garbage; `preview.bytes` if that is exact."""
        return self.preview.certain_bytes

    @property
    def collected(self) -> Collected:
        """The blobs that the script of the default tool and the collector after it really free."""
        return self.preview.collected

    @property
    def waiting(self) -> pd.DataFrame:
        """The part of the promise that stays, and the reasons: see `Preview.waiting`."""
        return self.preview.waiting

    @property
    def cost(self) -> float:
        """The cost of dropping the names together."""
        return float(self._cover.cost[self._dropped].sum())

    @cached_property
    def garbage_bytes(self) -> int:
        """Bytes of existing garbage; 0 if a manifest in use is unreadable, as then no garbage is certain."""
        return garbage_bytes(self.snapshot)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each name to drop (index `tag`, sorted): repo, digest, modified, exclusive, cost, also_untagged.

        `exclusive`: bytes freed if this name alone is dropped; `also_untagged`: the tags deleted with it (tuple).
        """
        frame = self._rules.names.frame.assign(exclusive=self._alone, cost=self._cover.cost)
        return frame.rename(columns={"takes": "also_untagged"})[self._dropped][
            ["repo", "digest", "modified", "exclusive", "cost", "also_untagged"]
        ]

    @cached_property
    def spared(self) -> pd.DataFrame:
        """One row for each name that stays: `tag`, and the reason (`why`)."""
        why = self._rules.why()
        useful = np.isin(np.arange(len(why)), self._cover.member) | (self._cover.rest > 0)
        why[(why == "") & useful] = "not needed"
        why[why == ""] = "frees nothing: remaining names need all of its blobs"
        why[self._keepers >= 0] = _kept_by(self._rules.names.frame, self._keepers)
        stays = ~self._dropped
        return pd.DataFrame({"tag": self._rules.names.frame.index[stays], "why": pd.array(why[stays], dtype="str")})

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """The notices that a reader must know."""
        found = list(self.preview.notices) if self.tags or self.preview.dropped.noun else []
        found[:0] = [self._rules.undated] * bool(self._rules.undated)
        found[:0] = [f"only certain bytes are counted: {why}" for why in inexact(self.preview) if len(self.preview)]
        if self.tags and self.preview.breaks:
            found.insert(0, f"these tags stay, but could no longer be pulled: {join_some(self.preview.breaks)}")
        return tuple(found)

    def script(self, tool: str | None = None) -> str:
        """Return the commands that carry out the plan with a tool, as `Preview.script`."""
        return write_script(self.preview, tool, [self.title(), *self._proof()])

    def verify(self, after: SupportsSnapshot | Address, *, storage_options: StorageOptions | None = None) -> Verified:
        """Return the promise compared with the result, blob for blob; `after` is the same store, read later."""
        return verified(self.preview, self.tags, as_snapshot(after, storage_options=storage_options))

    def __bool__(self) -> bool:
        """Return whether there is anything to drop."""
        return bool(self.tags)

    def __len__(self) -> int:
        """Return the number of names to drop."""
        return len(self.tags)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Return axes with the bytes that go, by repository, and the goal as a line, on `ax` or on a new figure."""
        return draw_answer(self, ax)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {
            "snapshot": self.snapshot.caption(),
            "policy": self.snapshot.policy,
            "tags": list(self.tags),
            "collected": self.collected.to_dict(),
            "waiting": records(self.waiting),
            "bytes": self.bytes,
            "needed": self.needed,
            "cost": self.cost,
            "gap": self.gap,
            "garbage_bytes": self.garbage_bytes,
            "frame": records(self.frame),
            "spared": self.spared.to_dict("records"),
            "notices": list(self.notices),
            "also_untagged": list(self.preview.also_untagged),
            "digests": list(self.preview.digests),
            "exact": self.preview.exact,
        }

    def title(self) -> str:
        """Return the answer in one line: the real effect first."""
        noun = self.preview.dropped.noun
        rules = "all that nothing needs" if noun else "all that the rules allow"
        asked = rules if self.needed is None else f"{human_bytes(self.needed)} needed"
        who = f"Dropping {count(len(self), noun or 'name')}"
        if as_promised(self.preview) and self.preview.is_read:
            return f"{who} frees {human_bytes(self.bytes)}{when(self.preview)} ({asked})"
        return f"{headline(self.preview, who)} ({asked})"

    def _proof(self) -> list[str]:
        """Return the cost of the choice, and whether another choice may cost less."""
        if self.needed is None:
            return []
        sure = "no other choice costs less" if self.gap == 0 else f"another may cost up to {self.gap:.2%} less"
        return [f"cost {self.cost:,.10g}: {sure}"]

    def _lines(self) -> list[str]:
        lines = [self.snapshot.caption(), *self._proof()]
        lines += waits(self.preview)
        if self._untagged is not None:
            counts = self._untagged.value_counts().sort_index().sort_values(ascending=False, kind="stable")
            needed = [f"{number:,} {why}" for why, number in counts.items()]
            lines.append(f"untagged and kept: {join_some(needed, REASONS_SHOWN) or 'none'}")
        if self.garbage_bytes:
            lines.append(f"{human_bytes(self.garbage_bytes)} are garbage already: {self.snapshot.store.without_names}")
            if self.snapshot.store.revisions and self.snapshot.rule.by_name:
                lines.append("untagged manifests are garbage too: blobkit untagged drops those that nothing needs")
        if self.preview.also_untagged:
            lines.append(f"also untagged: {join_some(self.preview.also_untagged)}")
        lines += self.notices[:NOTICES_SHOWN]
        if len(self.notices) > NOTICES_SHOWN:
            lines.append(f"and {count(len(self.notices) - NOTICES_SHOWN, 'more notice')}: see .notices")
        return [truncate(line, LINE_SHOWN) for line in lines]

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the names that free most when dropped alone."""
        columns = ("digest", "modified", "exclusive", "cost")
        top = self.frame.sort_values("exclusive", ascending=False, kind="stable")
        return (Section("", tuple(self._lines()), frame_table(top, columns, rows=rows)),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the reasons why the other names stay."""
        return (Section("Names that stay, and why", table=frame_table(self.spared, rows=rows)),)

    @property
    def _alone(self) -> NDArray[np.int64]:
        """The bytes that each name frees alone: the bytes of its class without other names."""
        made, single = self._cover, self._cover.number == 1
        alone = np.zeros(len(made.cost), np.int64)
        np.add.at(alone, made.member[single[made.of_pair]], made.size[single])
        return alone


def plan(  # noqa: PLR0913 (the options are keyword-only)
    x: SupportsSnapshot | Address,
    *,
    free: Size | None = None,
    until: Size | None = None,
    keep: Targets = (),
    older_than: Age | None = None,
    keep_last: int | None = None,
    age_by: str = "modified",
    cost: pd.Series | None = None,
    policy: str | None = None,
    time_limit: float = SECONDS,
    untagged: bool = False,
    groups: Targets = (),
    progress: bool = True,
    storage_options: StorageOptions | None = None,
) -> Plan:
    """Return the cheapest names to drop that free at least `free` bytes, or leave at most `until` bytes stored.

    Sizes are bytes, "20GiB" or "20GB". `free` does not include existing garbage; `until` assumes that existing garbage
    is deleted too, in a mark-and-sweep store. With neither, all names that `older_than` and `keep_last` allow
    are dropped.

    Names that hold under the policy may be dropped; anonymous pins never are. These are spared: names in `keep` (names,
    patterns, `repo@digest`; a digest keeps the names on it, or, if there are none, all names that reach it); names that
    are not older than `older_than` ("30d", a timedelta) by `modified` at the snapshot's time; the newest `keep_last` of
    each repository. Both rules spare names with an unknown time. `age_by="created"` judges by the time that images
    claim instead, for an index by the newest of its images: registries over HTTP tell no other time. If revisions hold,
    the manifests in a spared index are spared too. `keep_last` counts images, however many names they have; a name is
    spared if another name keeps its image. `cost`: a Series by name, of numbers from 0 up; else each name costs 1. Only
    certain bytes are counted. `untagged`: instead of names, drop the manifests that no tag names and nothing needs (see
    `untagged_frame`), in all repositories or in `groups`; only `keep` and `groups` may be given with it.

    If `gap` is 0, the plan is proven to be the cheapest. The search ends `time_limit` seconds after the call, but not
    before a first choice; then `gap` is the part of the cost that a better plan may save. The answer is the same each
    time, unless the limit is reached. `progress` shows steps longer than a second. `storage_options` as in `scan`.
    Errors: as `simulate_deref`, SizeError, AgeError, PlanError, InfeasiblePlanError (how much is possible, and what
    the rules cost). Cost: as `usage` by tag, and the search.

    >>> plan = blobkit.plan(demo.small(), free="3KiB", keep=["base/*", "shop/worker:*"])
    >>> plan.tags
    ('shop/web:1.0', 'shop/web:1.1')
    """
    deadline = monotonic() + time_limit
    snapshot = as_snapshot(x, storage_options=storage_options)
    if untagged:
        goals = {"free": free, "until": until, "older_than": older_than, "keep_last": keep_last, "cost": cost}
        goals |= {} if age_by == "modified" else {"age_by": age_by}
        only_groups(snapshot, policy, goals)
        return _of_untagged(snapshot, keep, groups)
    if tuple(flattened(groups)):
        msg = "groups is for untagged manifests only"
        hint = Hint("give untagged=True too, or keep=[...] instead", "give --untagged too, or --keep instead")
        raise PlanError(msg, hint=hint)
    snapshot = as_snapshot(snapshot, policy)
    needed = needed_bytes(snapshot, free, until, ruled=older_than is not None or keep_last is not None)
    with staged("plan", show=progress) as say:
        say("names")
        return _chosen(rules(snapshot, keep, older_than, keep_last, age_by), needed, cost, deadline, say)


def _chosen(
    found: Rules, needed: int | None, cost: pd.Series | None, deadline: float, say: Callable[[str], object]
) -> Plan:
    """Return the plan among the names that the rules leave."""
    say("bytes that names share")
    begun = monotonic()
    made = cover_of(found, costs(found.names, found.candidates, cost))
    keepers = found.keepers()
    if needed is None:
        choice = Choice(found.candidates & (keepers < 0), 0.0)
    elif needed <= made.possible:
        last = LAST * (monotonic() - begun)
        choice = cheapest(made, needed, deadline - last - monotonic(), say)
    else:
        raise infeasible(found, needed, made.possible, lambda: monotonic() >= deadline, say)
    say("freed blobs")
    snapshot, tags = found.names.snapshot, tuple(found.names.frame.index[choice.dropped])
    gone = _preview(snapshot, tags)
    return Plan(snapshot, tags, needed, choice.gap, gone, found, made, choice.dropped, keepers)


def _of_untagged(snapshot: Snapshot, keep: Targets, groups: Targets) -> Plan:
    """Return the plan that drops the manifests that no tag names and nothing needs."""
    found = rules(revisions_view(snapshot), keep, None, None)
    names, kept = found.names, ~found.candidates
    known = repositories(names.snapshot)
    pairs = known.pairs(names.rows)
    judged = Untagged(names.snapshot, MIN_AGE, pairs[np.repeat(kept, np.diff(names.start))])
    dropped = dropped_untagged(judged, groups)
    place = names.frame.index.get_indexer(pd.Index(pin_labels(names.snapshot, judged.row), dtype="str"))
    why = np.full(len(names.frame), "a tag names it, or it is not stored", object)
    why[place] = np.where(judged.needed_by == "", "not in these repositories", judged.needed_by)
    goes = names.frame.index.isin(dropped.names)
    reasons = pd.Series(why[~goes & ~kept], index=np.flatnonzero(~goes & ~kept))
    for reason, which in reasons.groupby(reasons).groups.items():
        found.spare(str(reason), np.asarray(which))
    made = cover_of(found, costs(names, found.candidates, None))
    preview = preview_of(names.snapshot, dropped)
    needed_by = pd.Series(judged.needed_by[(judged.needed_by != "") & in_groups(judged, groups)], dtype="str")
    nobody = np.full(len(kept), -1)
    return Plan(names.snapshot, dropped.names, None, 0.0, preview, found, made, goes, nobody, needed_by)


def _kept_by(frame: pd.DataFrame, keepers: NDArray[np.int64]) -> list[str]:
    """Return why each of these names frees nothing: the name that keeps its image, or in one repository its tag."""
    name, repo = frame.index.to_numpy(), frame["repo"].to_numpy()
    kept = np.flatnonzero(keepers >= 0)
    pairs = zip(name[keepers[kept]], repo[keepers[kept]], repo[kept], strict=True)
    brief = (one.removeprefix(f"{home}:") if home and home == own else one for one, home, own in pairs)
    return [f"frees nothing: {one} keeps it" for one in brief]


def _preview(snapshot: Snapshot, tags: tuple[str, ...]) -> Preview:
    """Return the preview of dropping these names; a name that looks like a digest is still taken as a name."""
    texts = [f"tag:{tag}" if is_digest(tag) else tag for tag in tags]
    return preview_of(snapshot, resolve(snapshot, texts) if texts else PinSelection())
