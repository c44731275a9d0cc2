"""Tests of every content: subclass `ContentSuite` and give it the fixture `content`, an empty one."""
# ruff: noqa: D102, PLR2004, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

import itertools
import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.contents import Area, Content, Staged
    from blobkit.digest import Digest

__all__ = ["ContentSuite", "staged"]

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

    @pytest.mark.parametrize("size", [0, 10, 1 << 16, (3 << 20) + 5])
    def test_what_is_drawn_is_what_the_file_still_had_and_is_yielded(
        self, content: Content, tmp_path: Path, size: int
    ) -> None:
        data = os.urandom(size)
        (tmp_path / "file").write_bytes(b"head" + data)
        area = content.area()
        for place in (content.stage(), area.stage()):
            for buffering in (0, -1):
                with (tmp_path / "file").open("rb", buffering=buffering) as file:
                    file.seek(4 if buffering else 0)
                    yielded = b"".join(map(bytes, place.draw(file, rooms())))
                    assert yielded == (data if buffering else b"head" + data)
                    assert file.read() == b""
            place.write(memoryview(b"tail"))
            place.seal()
            area.seal()
            content.publish({of(data): place.token})
            place.discard()
            with content.open(of(data)) as file:
                assert file.read() == b"head" + data + data + b"tail"
        area.discard()

    # Areas: many at once

    def test_what_an_area_sealed_is_published_the_rest_goes_with_it(self, content: Content) -> None:
        area = content.area()
        kept, lost, open_ = (staged(area, data) for data in (b"kept", b"lost", b"open"))
        kept.seal()
        kept.seal()
        lost.seal()
        area.seal()
        content.publish({of(b"kept"): kept.token})
        for one in (kept, lost, open_):
            one.discard()
        area.discard()
        area.discard()
        with content.open(of(b"kept")) as file:
            assert file.read() == b"kept"
        assert list(content.digests()) == [of(b"kept")]
        with pytest.raises((OSError, KeyError)):
            content.publish({of(b"lost"): lost.token})

    def test_sealed_bytes_stay_until_the_area_goes_and_sealing_goes_on(self, content: Content) -> None:
        area, tokens = content.area(), {}
        for data in (b"first", b"second"):
            one = staged(area, data)
            one.seal()
            one.discard()
            area.seal()
            tokens[of(data)] = one.token
        content.publish(tokens)
        area.discard()
        assert sorted(content.sizes(list(tokens)).values()) == [5, 6]

    def test_hundreds_in_an_area_need_few_open_files(self, content: Content) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = max(map(int, os.listdir("/dev/fd"))) + 200  # noqa: PTH208 (names); what is open already is not counted
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
        try:
            area, tokens = content.area(), {}
            for number in range(600):
                one = staged(area, b"%d" % number)
                one.seal()
                tokens[of(b"%d" % number)] = one.token
            area.seal()
            content.publish(tokens)
            area.discard()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert sorted(content.digests()) == sorted(tokens)
        with content.open(of(b"599")) as file:
            assert file.read() == b"599"

    def test_what_a_dead_process_staged_is_reclaimed_the_living_keep_theirs(self, content: Content) -> None:
        area, single = content.area(), content.stage()
        one = staged(area, b"alive")
        one.seal()
        child = os.fork()
        if not child:
            content.reclaim()
            area, left = content.area(), content.stage()
            staged(area, b"sealed").seal()
            unsealed = staged(area, b"unsealed")
            os.kill(os.getpid(), signal.SIGKILL)
            del unsealed, left
        os.waitpid(child, 0)
        content.reclaim()
        assert content.reclaim() == 0
        single.write(memoryview(b"single"))
        single.seal()
        content.publish({of(b"single"): single.token, of(b"alive"): one.token})
        single.discard()
        area.discard()
        assert sorted(content.digests()) == sorted([of(b"single"), of(b"alive")])

    def test_a_forked_copy_takes_nothing_away(self, content: Content) -> None:
        area, single = content.area(), content.stage()
        one = staged(area, b"in the area")
        child = os.fork()
        if not child:
            for copy in (one, area, single):
                copy.discard()
            os._exit(0)
        os.waitpid(child, 0)
        one.seal()
        area.seal()
        content.publish({of(b"in the area"): one.token, of(b""): single.token})
        single.discard()
        area.discard()
        assert sorted(content.sizes([of(b"in the area"), of(b"")]).values()) == [0, 11]

    def test_what_is_staged_can_be_read_back(self, content: Content) -> None:
        for place in (content.stage(), content.area().stage()):
            assert place.read(9) == b""
            place.write(memoryview(b"some"))
            place.write(memoryview(b" bytes"))
            assert (place.read(4), place.read(99)) == (b"some", b"some bytes")
            place.write(memoryview(b", and more"))
            assert place.read(99) == b"some bytes, and more"
            place.discard()

    @pytest.mark.parametrize("durable", [False, True])
    def test_small_content_is_placed_at_once(self, content: Content, *, durable: bool) -> None:
        digest = of(b"small")
        for before in (None, b"small", b"smal", b"other", b"smaller"):
            if before is not None:
                put(content, digest, before)
            content.place(digest, b"small", durable=durable)
            assert content.read(digest, 5) == b"small"
            assert content.sizes([digest]) == {digest: 5}
        content.place(of(b""), b"", durable=durable)
        assert content.sizes([of(b"")]) == {of(b""): 0}
        assert content.reclaim() == 0

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

    @pytest.mark.parametrize("size", [0, 10, 1 << 20, (1 << 20) + 1])
    def test_reading_gives_all_bytes_or_leaves_it_to_open(self, content: Content, size: int) -> None:
        data = os.urandom(size)
        digest = stored(content, data)
        assert content.read(digest, size) in ({data} if size <= 1 << 20 else {data, None})
        assert content.read(digest, size + 1) is None
        assert content.read(digest, size - 1) is None
        assert content.read(ABSENT, size) is None

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


def rooms() -> Iterator[memoryview]:
    """Yield one buffer again and again, of a size that divides nothing."""
    yield from itertools.repeat(memoryview(bytearray(100_003)))


def staged(area: Area, data: bytes) -> Staged:
    """Return a place in the area that holds these bytes."""
    one = area.stage()
    one.write(memoryview(data))
    return one


def put(content: Content, digest: Digest, *parts: bytes) -> None:
    """Put the parts under a digest, which is believed."""
    staged = content.stage()
    for part in parts:
        staged.write(memoryview(part))
    staged.seal()
    content.publish({digest: staged.token})
    staged.discard()
