"""What every content must do: subclass `ContentSuite` and give it the fixture `content`, an empty one."""
# ruff: noqa: D102, PLR2004, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of

if TYPE_CHECKING:
    from blobkit.digest import Digest
    from blobkit.protocols import Content

__all__ = ["ContentSuite"]

ABSENT = of(b"never stored")


class ContentSuite:
    """Bytes come in whole, are read as they were, and go."""

    @pytest.fixture
    def content(self) -> Content:
        raise NotImplementedError

    def test_bytes_are_read_as_they_were_written(self, content: Content) -> None:
        digest = stored(content, b"some", b"", b" bytes")
        with content.open(digest) as file:
            assert file.read() == b"some bytes"

    def test_every_algorithm_and_the_empty_content(self, content: Content) -> None:
        digests = [stored(content, data, label=a) for a in ("sha256", "sha384", "sha512") for data in (b"", b"x")]
        assert sorted(content.digests()) == sorted(digests)
        assert content.sizes(digests) == {digest: i % 2 for i, digest in enumerate(digests)}

    def test_nothing_is_seen_before_it_is_published(self, content: Content) -> None:
        staged = content.stage()
        staged.write(memoryview(b"hidden"))
        staged.seal()
        assert list(content.digests()) == []
        staged.discard()
        staged.discard()
        assert list(content.digests()) == []

    def test_many_are_published_at_once(self, content: Content) -> None:
        staged = {of(data): content.stage() for data in (b"a", b"bb", b"ccc")}
        for data, one in zip((b"a", b"bb", b"ccc"), staged.values(), strict=True):
            one.write(memoryview(data))
            one.seal()
        content.publish({digest: one.token for digest, one in staged.items()})
        for one in staged.values():
            one.discard()
        assert sorted(content.sizes(list(staged)).values()) == [1, 2, 3]

    def test_publishing_again_replaces_what_was_there(self, content: Content) -> None:
        digest = of(b"the whole content")
        put(content, digest, b"the wh")
        put(content, digest, b"the whole content")
        with content.open(digest) as file:
            assert file.read() == b"the whole content"

    def test_sizes_leave_out_what_is_absent(self, content: Content) -> None:
        digest = stored(content, b"here")
        assert content.sizes([ABSENT, digest]) == {digest: 4}
        assert content.sizes([]) == {}

    def test_opening_what_is_absent_raises_file_not_found(self, content: Content) -> None:
        with pytest.raises(FileNotFoundError):
            content.open(ABSENT)

    def test_delete_says_what_is_gone_and_may_be_repeated(self, content: Content) -> None:
        digests = [stored(content, data) for data in (b"a", b"b", b"c")]
        assert list(content.delete(digests[:2])) == digests[:2]
        assert list(content.digests()) == digests[2:]
        assert list(content.delete([*digests[:2], ABSENT])) == [*digests[:2], ABSENT]

    def test_an_open_file_is_read_to_its_end_after_removal(self, content: Content) -> None:
        digest = stored(content, b"x" * 100_000)
        with content.open(digest) as file:
            content.delete([digest])
            assert len(file.read()) == 100_000

    def test_sync_and_close_are_harmless(self, content: Content) -> None:
        stored(content, b"a")
        content.sync()
        content.close()


def stored(content: Content, *parts: bytes, label: str = "sha256") -> Digest:
    """Put the parts under their digest, and return it."""
    digest = of(b"".join(parts), label)
    put(content, digest, *parts)
    return digest


def put(content: Content, digest: Digest, *parts: bytes) -> None:
    """Put the parts under a digest, which is believed."""
    staged = content.stage()
    for part in parts:
        staged.write(memoryview(part))
    staged.seal()
    content.publish({digest: staged.token})
    staged.discard()
