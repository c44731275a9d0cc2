"""What a scanner writes into a message, an audit reads back, whatever strangers call things."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from blobkit.snapshot.notices import recompressed, recompressed_in, upload, upload_in
from layouts import nowhere

MOST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())


@given(st.text(), st.integers(0, 1 << 50), st.integers(0, MOST))
def test_an_upload(what: str, size: int, second: int) -> None:
    assert upload_in(upload(what, size, second * 1_000_000)) == (size, datetime.fromtimestamp(second, UTC))


@given(st.text(), st.lists(st.integers(0, 1 << 60), min_size=2, max_size=20, unique=True))
def test_one_content_compressed_differently(diff_id: str, layers: list[int]) -> None:
    digests = [nowhere(layer) for layer in layers]
    assert recompressed_in(diff_id, recompressed(diff_id, digests)) == digests


def test_a_file_that_claims_to_be_of_the_year_60000() -> None:
    assert upload_in(upload("x", 7, 1_831_000_000_000 * 1_000_000)) == (7, None)


def test_a_name_that_looks_like_the_end_of_a_message() -> None:
    message = upload("(99 bytes), last written 2026-01-01T00:00:00Z", 7, 0)
    assert upload_in(message) == (7, datetime(1970, 1, 1, tzinfo=UTC))


def test_messages_that_say_something_else() -> None:
    assert upload_in("x holds (5 bytes), last written 2026-99-99T00:00:00Z") == (5, None)
    assert upload_in("something") == (0, None)
    assert recompressed_in("x", "something") == []


def test_of_very_many_layers_the_first_are_named() -> None:
    digests = [nowhere(i) for i in range(2000)]
    assert recompressed_in("d", recompressed("d", digests)) == digests[:1000]
