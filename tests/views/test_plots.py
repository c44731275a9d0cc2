"""Pictures: drawn without a warning at any size and with any name, readable, and adding up to the answer."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.text import Text

import blobkit
from blobkit.errors import UnknownTargetError
from blobkit.views import plots
from pictures import HOSTILE, Made, boxes, legible, texts, title
from registries import Images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

    Dataset = Callable[[str], tuple[Path, dict[str, object]]]

SIZES = (0, 1, 20, 60, 200, 20_000)


@pytest.fixture(scope="module")
def stores() -> dict[int, Snapshot]:
    return Made()


def first_repository(snapshot: Snapshot) -> Preview:
    return blobkit.simulate_deref(snapshot, groups=str(blobkit.tags_frame(snapshot)["repo"].iloc[0]))


def pictures(snapshot: Snapshot) -> Iterator[Axes]:
    """Yield one of each kind."""
    yield plots.reachability(snapshot)
    if not snapshot.pins.num_rows:
        return
    tags = blobkit.tags_frame(snapshot)
    yield plots.reachability(snapshot, tags.index[0])
    frame = blobkit.to_frame(snapshot)
    layers = frame[(frame["kind"] == "layer") & frame["reachable"]]
    yield plots.reachability(snapshot, layers["refcount"].idxmax())
    for preview in (blobkit.simulate_deref(snapshot, tags.index[0]), first_repository(snapshot)):
        yield plots.reachability(preview)
        yield plots.cascade(preview)


@pytest.mark.slow
@pytest.mark.parametrize("size", [*SIZES[:3], *(pytest.param(size, marks=pytest.mark.slow) for size in SIZES[3:])])
def test_every_picture_of_every_size_is_drawn_and_legible(size: int, stores: dict[int, Snapshot]) -> None:
    for axes in pictures(stores[size]):
        legible(axes)
        width, height = axes.figure.get_size_inches()
        assert 5 < width < 16
        assert 1 < height < 16


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev-oci-layout", "dev-registry"])
def test_real_stores_are_drawn_and_legible_under_every_policy(name: str, dataset: Dataset) -> None:
    snapshot = blobkit.scan(dataset(name)[0])
    drawn = set()
    for policy in snapshot.policies:
        legible(plots.reachability(snapshot, policy=policy))
        for tag in blobkit.tags_frame(snapshot).index[::8]:
            preview = blobkit.simulate_deref(snapshot, tag, policy=policy)
            what = tag, preview.digests, tuple(preview.kept.index)
            if what in drawn:
                continue  # most policies say the same of most tags: the same picture
            drawn.add(what)
            legible(plots.reachability(preview))
            legible(plots.cascade(preview))
            plt.close("all")


@pytest.mark.slow
@pytest.mark.parametrize("size", [60, 200, pytest.param(20_000, marks=pytest.mark.slow)])
def test_given_axes_are_legible_and_keep_their_place(size: int, stores: dict[int, Snapshot]) -> None:
    figure, grid = plt.subplots(1, 2, figsize=(13, 4.5), layout="constrained")
    preview = first_repository(stores[size])
    assert plots.reachability(stores[size], ax=grid[0]) is grid[0]
    assert plots.reachability(preview, ax=grid[1]) is grid[1]
    for axes in grid:
        legible(axes)
    other, axes = plt.subplots(figsize=(7, 3))
    place = axes.get_position().bounds
    assert plots.cascade(preview, ax=axes) is axes
    legible(axes)
    assert axes.get_position().bounds == place
    assert (tuple(figure.get_size_inches()), tuple(other.get_size_inches())) == ((13, 4.5), (7, 3))
    for painted in (figure, other):
        painted.canvas.draw()


@pytest.mark.slow
@pytest.mark.parametrize("style", ["default", "dark_background", "grayscale"])
def test_colours_are_those_of_the_style(style: str, stores: dict[int, Snapshot]) -> None:
    with plt.style.context(style):
        axes = plots.reachability(stores[60])
        axes.figure.canvas.draw()
        assert mpl.colors.to_hex(mpl.rcParams["text.color"]) in {text.get_color() for text in axes.texts}
        rims = {text.get_path_effects()[0]._gc["foreground"] for text in axes.texts if text.get_path_effects()}
        assert rims == {mpl.colors.to_hex(axes.figure.get_facecolor())}


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"figure.constrained_layout.use": True},
        {"figure.autolayout": True},
        {"font.size": 16},
        {"figure.dpi": 220},
        {"font.family": ["monospace", "Not Installed"]},
        {"figure.facecolor": (0, 0, 0, 0)},
    ],
)
def test_pictures_are_legible_under_other_settings(settings: dict[str, object], stores: dict[int, Snapshot]) -> None:
    with mpl.rc_context(settings):
        legible(plots.reachability(stores[200]))
        legible(plots.cascade(first_repository(stores[200])))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["svg", pytest.param("pdf", marks=pytest.mark.slow), "png"])
def test_pictures_are_written_in_every_format(kind: str, stores: dict[int, Snapshot], tmp_path: Path) -> None:
    plots.reachability(stores[60]).figure.savefig(tmp_path / "picture", format=kind, bbox_inches="tight")
    assert (tmp_path / "picture").stat().st_size > 5_000


@pytest.mark.slow
def test_axes_in_a_part_of_a_figure_are_legible(stores: dict[int, Snapshot]) -> None:
    left, right = plt.figure(figsize=(14, 5), layout="constrained").subfigures(1, 2)
    for axes in (
        plots.reachability(stores[200], "web:*", ax=left.subplots()),
        plots.cascade(first_repository(stores[200]), ax=right.subplots()),
    ):
        axes.get_figure(root=True).canvas.draw()
        assert axes.get_title(loc="left")


@pytest.mark.slow
def test_neither_settings_nor_current_figures_are_touched(stores: dict[int, Snapshot]) -> None:
    mine = plt.figure()
    given = mpl.figure.Figure().add_subplot()
    before = dict(mpl.rcParams)
    plots.reachability(stores[200], ax=given)
    plots.cascade(first_repository(stores[200]), ax=given)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == [mine.number]
    assert plt.gcf() is mine


@pytest.fixture
def hostile() -> Snapshot:
    made = Images()
    base = made.blob("layer", 3e7)
    for i, name in enumerate(HOSTILE):
        made.tags.append((made.image([base, made.blob("layer", 1e6 * i)]), name, name[:9] if i % 2 else None))
    return made.snapshot()


@pytest.mark.slow
def test_hostile_names_are_drawn_as_they_are_read(hostile: Snapshot) -> None:
    axes = plots.reachability(hostile)
    legible(axes)
    axes.figure.canvas.draw()
    shown = "\n".join(texts(axes))
    for part in ("$x^2$:1", "<script>alert(1)</script>:1", r"two\nlines\t\x1b[31m:1", r"\u202eevil\u200f:1", "…"):
        assert part in shown
    assert not any(text.get_parse_math() or text.get_usetex() for text in axes.texts)


@pytest.mark.parametrize("name", [*HOSTILE[:2], *(pytest.param(name, marks=pytest.mark.slow) for name in HOSTILE[2:])])
def test_hostile_targets_are_named_safely(name: str, hostile: Snapshot) -> None:
    preview = blobkit.simulate_deref(hostile, f"tag:{name}")
    for axes in (plots.reachability(preview), plots.cascade(preview), plots.reachability(hostile, name)):
        legible(axes)
        assert any(text.startswith("policy tags") for text in texts(axes))


@pytest.mark.slow
@pytest.mark.parametrize("width", [1.8, 2.4, 4])
def test_labels_are_shortened_in_small_axes(width: float, hostile: Snapshot, stores: dict[int, Snapshot]) -> None:
    for snapshot in (hostile, stores[200]):
        axes = plt.figure(figsize=(width, 2)).add_axes((0.05, 0.05, 0.9, 0.8))
        plots.reachability(snapshot, ax=axes)
        found = boxes(axes)
        assert max(box.x1 for box in found) <= axes.figure.bbox.x1
        for one, other in combinations(found, 2):
            assert not one.shrunk(0.85, 0.85).overlaps(other.shrunk(0.85, 0.85))


@pytest.mark.slow
def test_axes_are_measured_once_they_have_their_place(stores: dict[int, Snapshot]) -> None:
    figure, grid = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    axes = plots.reachability(stores[20], ax=grid[0, 0])
    for other in grid.flat[1:]:
        other.set_axis_off()
    figure.canvas.draw()
    assert axes.get_xlim()[1] == pytest.approx(axes.get_window_extent().width * 72 / figure.dpi, rel=0.1)


@pytest.mark.slow
def test_a_preview_names_what_goes_what_stays_and_who_keeps_it() -> None:
    made = Images()
    base, own = made.blob("layer", 30 * 2**20), made.blob("layer", 2**20)
    made.tags += [(made.image([base, own]), "web:1", "web"), (made.image([base]), "api:7", "api")]
    preview = blobkit.simulate_deref(made.snapshot(), "web:1")
    axes = plots.reachability(preview)
    shown = texts(axes)
    assert "web:1  1.5 KiB" in shown
    assert any(text.endswith("  30.0 MiB") for text in shown)
    assert "kept by api:7" in shown
    assert not any(text.startswith("api:7  ") for text in shown)
    said = "Dropping web:1 frees nothing: registry garbage-collect would delete 3 blobs needed by "
    assert title(axes).startswith(said)  # there are no revision links
    stays = mpl.colors.to_rgba("#0072B2")
    colours = [tuple(colour) for marks in axes.collections for colour in marks.get_facecolor()]
    goes = mpl.colors.to_rgba("#D55E00")
    assert (colours.count(goes), colours.count(stays)) == (3, 1)
    bars = texts(plots.cascade(preview))
    assert "1 layer, 30.0 MiB, needed by api:7" in bars
    assert "1 layer, 1.0 MiB; layer of web:1" in bars


@pytest.mark.slow
def test_there_is_one_mark_for_each_group_and_its_area_is_bytes() -> None:
    made = Images()
    big, small = made.blob("layer", 4 * 2**20), made.blob("layer", 2**20)
    made.tags.append((made.image([big, small]), "web:1", "web"))
    axes = plots.reachability(made.snapshot())
    (layers,) = [marks.get_sizes() for marks in axes.collections[:-1] if len(marks.get_sizes()) == 2]
    assert max(layers) == pytest.approx(4 * min(layers))
    assert sum(len(marks.get_offsets()) for marks in axes.collections[:-1]) == 4


@pytest.mark.slow
def test_stand_ins_that_do_not_count_are_not_drawn(dataset: Dataset) -> None:
    snapshot = blobkit.scan(dataset("dev-registry")[0])
    preview = blobkit.simulate_deref(snapshot, groups="library/hello")
    for policy, axes in (("tags", plots.reachability(preview)), ("gc", plots.reachability(snapshot, policy="gc"))):
        assert any("virtual node" in text for text in texts(axes)) == (policy == "gc")


def test_a_target_may_be_a_blob_that_only_links_hold(stores: dict[int, Snapshot]) -> None:
    frame = blobkit.to_frame(stores[20])
    digest = frame[frame["kind"] == "layer"]["refcount"].idxmax()
    shown = texts(plots.reachability(stores[20], digest))
    assert any(text.startswith("layer of ") for text in shown)
    assert texts(plots.reachability(stores[20], [digest[:20]])) == shown


def test_several_targets_and_patterns_are_taken_as_for_a_preview(stores: dict[int, Snapshot]) -> None:
    tags = blobkit.tags_frame(stores[200])
    web = tags.index[tags["repo"] == "web"]
    assert texts(plots.reachability(stores[200], web)) == texts(plots.reachability(stores[200], "web:*"))
    with pytest.raises(UnknownTargetError, match="nothing here is named"):
        plots.reachability(stores[200], "nothing:1")


def test_a_preview_has_its_targets_already(stores: dict[int, Snapshot]) -> None:
    preview = first_repository(stores[20])
    with pytest.raises(ValueError, match="targets and its policy already"):
        plots.reachability(preview, "web:1")
    with pytest.raises(ValueError, match="targets and its policy already"):
        plots.reachability(preview, policy="gc")


def test_no_data_is_a_sentence(stores: dict[int, Snapshot]) -> None:
    assert texts(plots.reachability(stores[0]))[0] == "Nothing to draw: nothing is stored, and nothing is linked to."
    made = Images()
    made.tags.append((made.blob("layer", 1), "a:1", "a"))
    snapshot = made.snapshot().with_policy("gc")
    preview = blobkit.simulate_deref(snapshot, "a:1")
    assert len(preview) == 0
    plots.cascade(preview).figure.canvas.draw()
    plots.reachability(preview).figure.canvas.draw()


def test_the_facade_has_the_module() -> None:
    assert blobkit.plot is plots


def test_a_very_long_name_is_never_laid_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    set_text = Text.set_text

    def counted(self: Text, s: object) -> None:
        lengths.append(len(str(s)))
        set_text(self, s)

    monkeypatch.setattr(Text, "set_text", counted)
    images = Images()
    images.tags += [(images.image([images.blob("layer", 5e6)]), name, None) for name in ("x" * 100_000, "y")]
    plots.reachability(images.snapshot())
    assert max(lengths) == 1_000
