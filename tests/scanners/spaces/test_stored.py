"""Keys and texts in files are like a dictionary and a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.render import to_utf8
from blobkit.scanners.spaces import stored
from blobkit.scanners.spaces.space import MEMORY, Scratch, in_order, sequence

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12) | st.from_regex(r"sha256:[ab]{4}", fullmatch=True)


@given(keys=st.lists(TEXTS, max_size=60), few=st.integers(1, 9))
def test_keys_are_found_and_sorted_as_in_memory(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], few: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, Scratch(tmp_path_factory.mktemp("keys") / "s") as space:
        patch.setattr(stored, "RECENT", few)
        found, model = space.keys(), MEMORY.keys()
        for key in map(to_utf8, keys):
            assert (key in found, found.get(key, -1)) == (key in model, model.get(key, -1))
            if key not in model:
                found[key] = model[key] = len(model)
        more = [(f"more/{number}", len(model) + number) for number in range(few)]
        for one in (found, model):
            one.update(more)
        assert (list(found), len(found)) == (list(model), len(model))
        assert [found[key] for key in model] == list(model.values())
        assert list(sequence(found)) == list(model)
        assert [list(zip(*some, strict=True)) for some in in_order(found, few)] == [
            list(zip(*some, strict=True)) for some in in_order(model, few)
        ]
        assert found.keys().isdisjoint(["absent"])
        assert not found.keys().isdisjoint(["absent", "more/0"])


def test_a_key_that_is_absent(tmp_path: Path) -> None:
    with Scratch(tmp_path / "s") as space:
        keys = space.keys()
        keys["a"] = 0
        with pytest.raises(KeyError):
            keys["b"]
        with pytest.raises(IndexError):
            sequence(keys)[1]


@given(texts=st.lists(st.none() | TEXTS, max_size=30))
def test_texts_are_as_in_a_list(tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]) -> None:
    with Scratch(tmp_path_factory.mktemp("texts") / "s") as space:
        found = space.texts()
        for text in texts:
            found.append(text)
        assert list(found) == [text if text is None else to_utf8(text) for text in texts]
        assert len(found) == len(texts)


def test_the_directory_is_gone_after_an_error(tmp_path: Path) -> None:
    space = Scratch(tmp_path / "s")
    with pytest.raises(OverflowError), space:
        _break(space)
    assert not list(tmp_path.iterdir())


def _break(space: Scratch) -> None:
    space.keys()["a"] = 0
    space.column("q").append(1 << 70)
