"""One place knows which columns are bytes: every frame agrees with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit
from blobkit.present.units import Unit, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.present.answer import Answer
    from blobkit.store.store import Store

NUMBERS = {Unit.BYTES, Unit.NET, Unit.COUNT}
TEXTS = {Unit.DIGEST, Unit.NAME, Unit.WORD, Unit.PROSE}


def frames(store: Store, answers: dict[str, Answer]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every data frame that blobkit gives of this store."""
    yield "to_frame", blobkit.to_frame(store, absent=True, virtual=True)
    yield "tags_frame", blobkit.tags_frame(store)
    yield "links_frame", blobkit.links_frame(store)
    yield "growth", blobkit.growth(store)
    for name, answer in answers.items():
        for attribute in dir(answer):
            value = None if attribute.startswith("_") else getattr(answer, attribute, None)
            if isinstance(value, pd.DataFrame) and value.columns.name is None:
                yield f"{name}.{attribute}", value


def test_the_unit_of_every_column_is_that_of_its_values(store: Store, answers: dict[str, Answer]) -> None:
    seen = set()
    for name, frame in frames(store, answers):
        columns = frame.reset_index() if frame.index.name else frame
        for label in columns.columns:
            unit, values = unit_of(label), columns[label]
            is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
            assert (unit in NUMBERS) == is_number, (name, label)
            assert (unit is Unit.TIME) == pd.api.types.is_datetime64_any_dtype(values), (name, label)
            if len(values) and isinstance(values.iloc[0], tuple):
                assert unit is Unit.NAMES, (name, label)
            seen.add(label)
    assert len(seen) > 40


def test_what_is_bytes_adds_up_to_bytes(store: Store) -> None:
    """The columns of bytes are those that can hold more than there are blobs."""
    frame = blobkit.to_frame(store)
    assert [name for name in frame if unit_of(name) is Unit.BYTES] == ["size", "retained", "frees"]
    usage = blobkit.usage(store, by="repo").frame
    assert [name for name in usage if unit_of(name) is Unit.BYTES] == ["closure", "exclusive", "shared", "split"]


@pytest.mark.parametrize("name", ["never heard of", 3, ("a", "b")])
def test_what_is_not_known_is_text(name: object) -> None:
    assert unit_of(name) is Unit.NAME  # type: ignore[arg-type]
