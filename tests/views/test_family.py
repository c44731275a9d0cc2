"""The family of plots: each reads well at any size, light and dark, small and large, and says what the answer says."""

from __future__ import annotations

import colorsys
import re
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Polygon, Rectangle

import blobkit
from blobkit.render import human_bytes
from pictures import HOSTILE, Made, boxes, legible, overlaps, texts, title
from registries import Images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

SIZES = (0, 1, 20, 200, 6_000)
GOES, STAYS = "#D55E00", "#0072B2"
plot = blobkit.plot


@pytest.fixture(scope="module")
def stores() -> dict[int, Snapshot]:
    return Made(teams=3)


def first_repository(snapshot: Snapshot) -> Preview:
    return blobkit.simulate_deref(snapshot, groups=str(blobkit.tags_frame(snapshot)["repo"].iloc[0]))


def pictures(snapshot: Snapshot, ax: Axes | None = None) -> Iterator[Axes]:
    """Yield one of each kind; on given axes, that are cleared before."""
    makers = [plot.icicle, plot.sharing, plot.sizes, plot.growth]
    answers = [snapshot.usage("repo"), snapshot.usage("kind"), snapshot.sharing("tag"), snapshot.audit()]
    answers += [snapshot.diff(snapshot), blobkit.diff(Made(teams=3)[20], snapshot, by="repo")]
    if snapshot.pins.num_rows:
        preview = first_repository(snapshot)
        answers += [preview, snapshot.plan(free=1, progress=False)]
        makers += [lambda _, ax: plot.icicle(preview, ax=ax), lambda _, ax: plot.reachability(preview, ax=ax)]
    for make in makers:
        yield make(snapshot, ax=ax)
        _clear(ax)
    for answer in answers:
        yield answer.plot(ax=ax)
        _clear(ax)


def _clear(ax: Axes | None) -> None:
    if ax is None:
        plt.close("all")
    else:
        ax.clear()


def hues(axes: Axes) -> set[str]:
    """Return which of the two colours of the family the patches and marks have, or the code of any other hue."""
    faces = [patch.get_facecolor() for patch in axes.patches]
    faces += [face for marks in axes.collections for face in marks.get_facecolor()]
    found = set()
    for red, green, blue, _ in faces:
        hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
        if saturation > 0.03:
            near = {"goes": 26 / 360, "stays": 202 / 360}
            names = [name for name, at in near.items() if abs(hue - at) < 0.03]
            found.add(names[0] if names else mpl.colors.to_hex((red, green, blue)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("size", "style"), [*((size, "default") for size in SIZES), (200, "dark_background")])
def test_every_picture_is_legible_at_any_size(size: int, style: str, stores: dict[int, Snapshot]) -> None:
    with plt.style.context(style):
        for axes in pictures(stores[size]):
            legible(axes)
            assert hues(axes) <= {"goes", "stays"}
            width, height = axes.figure.get_size_inches()
            assert 5 < width < 16
            assert 0.8 < height < 16


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_every_picture_is_legible_in_small_axes(size: int, stores: dict[int, Snapshot]) -> None:
    figure, ax = plt.subplots(figsize=(3, 2))
    for axes in pictures(stores[size], ax):
        found = boxes(axes)
        assert max(box.x1 for box in found) <= figure.bbox.x1
        assert min(text.get_fontsize() for text in axes.texts) >= 7
        assert overlaps(axes, 0.2) == []


@pytest.mark.slow
def test_every_answer_draws_on_given_axes_and_changes_no_setting(stores: dict[int, Snapshot]) -> None:
    snapshot, before = stores[200], dict(mpl.rcParams)
    figure, ax = plt.subplots()
    answers = [snapshot.usage("repo"), snapshot.sharing(), snapshot.diff(stores[20]), snapshot.audit()]
    for answer in [*answers, first_repository(snapshot), snapshot.plan(free=1, progress=False)]:
        ax.clear()
        assert answer.plot(ax=ax) is ax
        assert answer.plot().figure is not figure
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("make", [plot.icicle, plot.sharing, plot.sizes, plot.growth])
def test_hostile_names_are_drawn_as_text(make: object) -> None:
    made = Images()
    made.day = 0
    base = made.blob("layer", 3e7)
    for i, name in enumerate(HOSTILE):
        made.tags.append((made.image([base, made.blob("layer", 1e6 * (i + 1))]), name, name.rpartition(":")[0]))
    axes = make(made.snapshot())  # type: ignore[operator]
    legible(axes)
    axes.figure.canvas.draw()
    assert not any(text.get_parse_math() or text.get_usetex() for text in (*axes.texts, axes._left_title))
    assert not re.search("[\u202e\x1b\n]", "".join(texts(axes)))


# --- icicle


def rows(axes: Axes) -> dict[float, list[tuple[float, float]]]:
    """Return the blocks of an icicle by row: where they start, how wide they are; freed parts lie on them."""
    found: dict[float, list[tuple[float, float]]] = {}
    for patch in axes.patches:
        if isinstance(patch, Rectangle):
            found.setdefault(round(patch.get_y(), 3), []).append((patch.get_x(), patch.get_width()))
    return found


def test_the_blocks_of_an_icicle_are_as_wide_as_what_goes(stores: dict[int, Snapshot]) -> None:
    snapshot = stores[200]
    axes = plot.icicle(snapshot)
    (_, whole), *_ = rows(axes)[0.0]
    frame = snapshot.usage(by=lambda tag: tag.split("/")[0]).frame
    teams = frame[~frame["beside"]]["exclusive"].sort_values(ascending=False)
    live = snapshot.bytes - int(frame[frame["beside"]]["split"].sum())
    _, first, *_ = (rows(axes)[y] for y in sorted(rows(axes)))
    wide = [width * live / whole for _, width in first]
    assert wide[: len(teams)] == pytest.approx(teams.tolist(), rel=1e-6)
    assert sum(wide) == pytest.approx(live)
    shared = live - int(teams.sum())
    assert title(axes) == (
        f"{shared / live:.0%} of {human_bytes(live)} is kept by several namespaces; "
        f"{teams.index[0]}/ keeps most alone: {human_bytes(int(teams.iloc[0]))}"
    )


@pytest.mark.slow
def test_what_goes_is_orange_in_an_icicle_of_a_preview(stores: dict[int, Snapshot]) -> None:
    snapshot = stores[200]
    preview = blobkit.simulate_deref(snapshot, *blobkit.tags_frame(snapshot).index[::2])
    axes = plot.icicle(preview)
    assert hues(axes) == {"goes", "stays"}
    assert hues(plot.icicle(snapshot)) == {"stays"}
    whole, top = [patch for patch in axes.patches if patch.get_y() == 0 and patch.get_x() == 0]
    live = snapshot.bytes - int(snapshot.usage("repo").frame.loc["(garbage)", "split"])
    assert top.get_width() / whole.get_width() == pytest.approx(preview.bytes / live, rel=1e-3)


def test_what_several_keep_is_hatched_and_zooms_the_rest_if_it_is_most() -> None:
    made = Images()
    base = made.blob("layer", 1e9)
    for team in ("a", "b"):
        own = made.blob("layer", 1e6)
        made.tags.append((made.image([base, own]), f"{team}/app:1", f"{team}/app"))
    axes = plot.icicle(made.snapshot())
    shown = texts(axes)
    assert any(text.startswith("kept by several namespaces  953.7 MiB") for text in shown)
    assert any(re.match(r"kept by one alone: 1\.9 MiB, zoomed 49\d times", text) for text in shown)
    assert [bool(patch.get_hatch()) for patch in axes.patches].count(True) == 1
    assert "a/  981.9 KiB" in shown


def test_a_preview_has_its_policy_already(stores: dict[int, Snapshot]) -> None:
    with pytest.raises(ValueError, match="its policy already"):
        plot.icicle(first_repository(stores[20]), policy="gc")


def test_a_small_freed_part_is_shown_in_its_place() -> None:
    made = Images()
    for name, size in (("big/app", 1e9), ("small/app", 1e6), ("small/web", 2e6)):
        made.tags.append((made.image([made.blob("layer", size)]), f"{name}:1", name))
    axes = plot.icicle(blobkit.simulate_deref(made.snapshot(), "small/web:1"))
    assert any("; only small/; " in text for text in texts(axes))
    assert not any(text.startswith("big/") for text in texts(axes))


def test_a_page_of_many_equal_places_says_so_and_the_title_is_of_the_store() -> None:
    made = Images()
    base = made.blob("layer", 1e9)
    for i in range(300):
        made.tags.append((made.image([base, made.blob("layer", 1e5)]), f"t{i}/r:1", f"t{i}/r"))
    axes = plot.icicle(made.snapshot())
    live = 10**9 + 300 * (10**5 + 5500)
    assert title(axes).startswith(f"{10**9 / live:.0%} of {human_bytes(live)} is kept by several namespaces; ")
    zoomed = live / (60 * (10**5 + 5500))
    alone = human_bytes(live - 10**9)
    assert f"kept by one alone: {alone}, 1 to 60 of 300, zoomed {zoomed:,.0f} times" in texts(axes)


# --- sharing


def test_many_sets_are_told_by_how_many_groups_reach_them() -> None:
    made = Images()
    layers = [made.blob("layer", 1e6 + i) for i in range(250)]
    for i in range(12):
        own = [layer for j, layer in enumerate(layers) if (j + 1) >> (i % 8) & 1 or i == j % 12]
        made.tags.append((made.image(own), f"repo-{i}:1", f"repo-{i}"))
    snapshot = made.snapshot()
    answer = snapshot.sharing()
    several = answer.frame[answer.frame["groups"].map(len) > 1]
    assert len(several) > 200
    axes = answer.plot()
    shown = texts(axes)
    assert {"one alone", "2 together", "3 to 5", "6 to 20"} & set(shown) >= {"3 to 5", "6 to 20"}
    number = answer.frame["groups"].map(len)
    three = answer.frame[(number >= 3) & (number <= 5)]
    amount = f"{human_bytes(int(three['bytes'].sum()))}, {int(three['blobs'].sum()):,} blobs"
    assert any(text.startswith(amount) for text in shown)
    assert title(axes) == f"over 99% of {human_bytes(answer.bytes)} is shared by several repositories"


def test_few_sets_have_a_dot_for_each_group_and_a_bar(stores: dict[int, Snapshot]) -> None:
    answer = stores[200].sharing()
    axes = answer.plot()
    several = answer.frame[answer.frame["groups"].map(len) > 1]
    bars = [patch.get_width() for patch in axes.patches]
    assert len(bars) == len(several)
    assert bars == pytest.approx((several["bytes"] * bars[0] / several["bytes"].iloc[0]).tolist())
    dots = [size for marks in axes.collections for size in marks.get_sizes()]
    assert dots.count(36) == several["groups"].map(len).sum()


# --- sizes


def test_half_of_the_bytes_is_where_the_title_says(stores: dict[int, Snapshot]) -> None:
    size = sorted(blobkit.to_frame(stores[200])["size"], reverse=True)
    half = next(i for i in range(1, len(size)) if 2 * sum(size[:i]) >= sum(size))
    axes = plot.sizes(stores[200])
    assert title(axes) == (
        f"Half of the {human_bytes(sum(size))} is in {half} of {len(size)} blobs, "
        f"each of {human_bytes(size[half - 1])} or more"
    )
    assert f"in {half} blobs" in texts(axes)
    blobs, whole = (line.get_ydata() for line in axes.lines if len(line.get_xdata()) > 100)
    assert (np.diff(blobs) >= 0).all()  # y goes down: shares fall
    assert (np.asarray(blobs) >= np.asarray(whole) - 1e-9).all()  # big blobs have more of the bytes


# --- growth


def test_growth_ends_at_the_total_of_the_answer(stores: dict[int, Snapshot]) -> None:
    snapshot = stores[200]
    frame = blobkit.growth(snapshot)
    axes = plot.growth(snapshot)
    total, unknown = int(frame["total"].iloc[-1]), int(frame["unknown"].iloc[0])
    before = int(frame["total"].iloc[-13])
    assert title(axes) == (
        f"{human_bytes(total + unknown)} stored, {total / before:.1f} times what it was 12 months before"
    )
    bands = [patch for patch in axes.patches if isinstance(patch, Polygon)]
    ends = [np.asarray(patch.get_xy()) for patch in bands]
    last = [xy[xy[:, 0] == xy[:, 0].max()][:, 1] for xy in ends]
    tall = max(y.max() for y in last) - min(y.min() for y in last)
    assert sum(np.ptp(y) for y in last) == pytest.approx(tall)
    assert any(text.startswith("team-0/  ") for text in texts(axes))
    assert any(human_bytes(unknown) in text for text in texts(axes))


@pytest.mark.slow
def test_growth_of_several_snapshots_is_what_was_measured(stores: dict[int, Snapshot]) -> None:
    axes = plot.growth([stores[20], stores[200]])
    change = human_bytes(stores[200].bytes - stores[20].bytes)
    assert title(axes) == f"{human_bytes(stores[200].bytes)} stored, {change} more than in the first of 2 snapshots"
    assert title(plot.growth([stores[20]])).endswith("stored in the only snapshot")


# --- cascade, usage, diff, audit, plan


def test_a_small_freed_part_is_zoomed(stores: dict[int, Snapshot]) -> None:
    made = Images()
    base, own = made.blob("layer", 1e9), made.blob("layer", 1e6)
    made.tags += [(made.image([base, own]), "web:1", "web"), (made.image([base]), "api:7", "api")]
    preview = blobkit.simulate_deref(made.snapshot(), "web:1")
    axes = preview.plot()
    assert any(re.fullmatch(r"zoomed 9\d\d times", text) for text in texts(axes))
    orange = [patch for patch in axes.patches if mpl.colors.to_hex(patch.get_facecolor()) == GOES.lower()]
    assert max(patch.get_width() for patch in orange) > 100
    assert not any("zoomed" in text for text in texts(first_repository(stores[200]).plot()))


def test_kept_blobs_are_hatched_if_several_names_need_them() -> None:
    made = Images()
    base = made.blob("layer", 1e6)
    made.tags += [(made.image([base]), name, name[0]) for name in ("a:1", "b:1", "c:1")]
    snapshot = made.snapshot()
    for targets, hatched in ((("a:1",), True), (("a:1", "b:1"), False)):
        axes = blobkit.simulate_deref(snapshot, *targets).plot()
        assert any(patch.get_hatch() for patch in axes.patches) == hatched


def test_usage_shows_what_a_group_reaches_alone_and_with_others(stores: dict[int, Snapshot]) -> None:
    answer = stores[200].usage("repo")
    axes = answer.plot()
    groups = answer.frame[~answer.frame["beside"]].sort_values("closure", ascending=False)
    solid, hatched = (
        [patch.get_width() for patch in axes.patches if bool(patch.get_hatch()) == which] for which in (False, True)
    )
    scale = (solid[0] + hatched[0]) / groups["closure"].iloc[0]
    assert solid[: len(groups)] == pytest.approx((groups["exclusive"] * scale).tolist())
    row = groups.iloc[0]
    amount = f"{human_bytes(row['closure'])}: {human_bytes(row['exclusive'])} alone, {row['blobs']} blobs"
    assert amount in texts(axes)


def test_many_groups_are_folded_with_their_bytes() -> None:
    made = Images()
    for i in range(30):
        made.tags.append((made.image([made.blob("layer", 1e6 * (i + 1))]), f"r{i:02}:1", f"r{i:02}"))
    answer = made.snapshot().usage("repo")
    small = answer.frame["exclusive"].sort_values(ascending=False)[19:]
    shown = texts(answer.plot())
    assert "11 more" in shown
    assert f"11 groups, {human_bytes(int(small.sum()))}" in shown


def test_a_diff_shows_the_bytes_of_each_cause(stores: dict[int, Snapshot]) -> None:
    answer = blobkit.diff(stores[20], stores[200])
    axes = answer.plot()
    changed = answer.frame[(answer.frame["blobs"] > 0) & (answer.frame.index != "unchanged")]
    assert set(changed.index) <= set(texts(axes))
    widths = sorted((patch.get_width() for patch in axes.patches), reverse=True)
    sizes = sorted(changed["bytes"], reverse=True)
    assert widths == pytest.approx([size * widths[0] / sizes[0] for size in sizes], abs=0.01)
    assert "unchanged" not in set(texts(axes))


def test_an_audit_shows_what_nothing_needs_in_the_colour_of_what_goes(stores: dict[int, Snapshot]) -> None:
    answer = stores[200].audit()
    axes = answer.plot()
    garbage = answer.findings.set_index("code").loc["garbage"]
    assert "garbage (warning)" in texts(axes)
    assert f"{human_bytes(garbage['bytes'])}, {garbage['blobs']} blobs" in texts(axes)
    orange = [patch for patch in axes.patches if mpl.colors.to_hex(patch.get_facecolor()) == GOES.lower()]
    assert len(orange) == 1


def test_a_plan_shows_what_goes_by_repository_and_the_goal(stores: dict[int, Snapshot]) -> None:
    answer = stores[200].plan(free="100MiB", progress=False)
    axes = answer.plot()
    (goal,) = (line for line in axes.lines if line.get_linewidth() > 1)
    whole = [patch for patch in axes.patches if patch.get_y() == min(patch.get_y() for patch in axes.patches)]
    wide = sum(patch.get_width() for patch in whole)
    start = whole[0].get_x()
    assert (goal.get_xdata()[0] - start) / wide == pytest.approx(answer.needed / answer.preview.bytes)
    others = sum(patch.get_width() for patch in axes.patches) - wide
    assert others == pytest.approx(wide)


@pytest.mark.slow
def test_a_plot_takes_answers_too(stores: dict[int, Snapshot]) -> None:
    def drawn(name: str, x: object) -> str:
        said = title(getattr(plot, name)(x))
        plt.close("all")
        return said

    snapshot = stores[20]
    plan, what_if = snapshot.plan(free=1, progress=False), snapshot.what_if()
    of_store = {name: drawn(name, snapshot) for name in ("icicle", "sharing", "sizes", "growth", "reachability")}
    for answer in (snapshot.usage(), snapshot.audit(), what_if):
        assert {name: drawn(name, answer) for name in of_store} == of_store
    what_if.tick(*plan.tags)
    for name in ("reachability", "cascade", "icicle"):
        assert drawn(name, plan) == drawn(name, plan.preview) == drawn(name, what_if)
    mask = snapshot.tags_frame().index == plan.tags[0]
    assert title(plot.reachability(snapshot, mask)).startswith("What ")
    assert snapshot.reach(mask).index.equals(snapshot.reach(plan.tags[0]).index)
    plt.close("all")


@pytest.mark.parametrize("wrong", [None, 3])
def test_a_plot_of_something_else_is_a_type_error(wrong: object, stores: dict[int, Snapshot]) -> None:
    for name in ("reachability", "icicle", "sharing", "sizes", "growth"):
        for x in (wrong, blobkit.growth(stores[20])):
            with pytest.raises(TypeError, match="give a store, a snapshot or an address"):
                getattr(plot, name)(x)
