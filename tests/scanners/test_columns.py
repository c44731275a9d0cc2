"""Facts are kept in columns of a few bytes a row, and read like lists."""

from __future__ import annotations

import sys
from array import array

import numpy as np
import pytest

from blobkit.digest import Digest
from blobkit.errors import SnapshotFormatError
from blobkit.scanners.columns import Digests, Words
from blobkit.scanners.facts import Facts
from blobkit.scanners.scanned import completed
from layouts import nowhere


def test_words_are_stored_once() -> None:
    words = Words(("",))
    words.append("", 3)
    words[1] = "a" * 1000
    words[2] = "a" * 1000
    assert list(words) == ["", "a" * 1000, "a" * 1000]
    assert (words[2], len(words), words.texts) == ("a" * 1000, 3, ["", "a" * 1000])
    codes, texts = words.column(2)
    assert (codes.tolist(), texts) == ([0, 1], words.texts)


def test_a_fixed_vocabulary_takes_a_byte_and_no_other_word() -> None:
    words = Words(("yes", "missing"), fixed=True)
    words.append("missing", 2)
    words[0] = "yes"
    assert words.codes.itemsize == 1
    assert np.asarray(words.column(2)).tolist() == [0, 1]
    with pytest.raises(KeyError):
        words.append("no")


def test_a_set_of_digests_knows_nodes_and_others() -> None:
    ids = {nowhere(1): 0, nowhere(2): 5000}
    found = Digests(ids)
    for digest in (nowhere(2), nowhere(3)):
        found.add(digest)
    assert [nowhere(number) in found for number in (1, 2, 3, 4)] == [False, True, True, False]
    found.add_nodes(array("i", [0]))
    assert found.nodes().tolist() == [0, 5000]
    ids[nowhere(3)] = 7
    assert found.nodes().tolist() == [0, 7, 5000]


def test_many_blobs_at_once_are_as_one_by_one() -> None:
    rows = [(Digest(nowhere(number)), number * 10, number) for number in range(3000)]
    many, single = Facts(), Facts()
    for facts in (many, single):
        facts.node(nowhere(7777))
    many.blobs(*map(list, zip(*rows, strict=True)))
    many.blobs([rows[5][0]], [1], [2])  # known already
    for row in (*rows, (rows[5][0], 1, 2)):
        single.blob(*row)
    found, same = (completed(facts, "registry", "x", None).snapshot().nodes.to_pylist() for facts in (many, single))
    assert found == same
    assert many.stored_digests(20) == [rows[0][0], rows[1][0], rows[2][0], rows[5][0]]


def test_links_in_columns() -> None:
    facts = Facts()
    one, two, three = (facts.node(nowhere(number)) for number in range(3))
    facts.link(one, two, "layer")
    facts.link_many(one, array("i", [two, three]), "mark")
    facts.keep_links([0, 2])
    links = completed(facts, "registry", "x", None).snapshot().links.to_pylist()
    assert [(row["source"], row["target"], row["kind"]) for row in links] == [(0, 1, "layer"), (0, 2, "mark")]


def test_an_impossible_size_is_an_error_that_names_the_thing() -> None:
    with pytest.raises(SnapshotFormatError, match="image/x"):
        Facts().thing("image/x", "blob", 1 << 70, 0)


def test_a_node_takes_few_bytes_beside_its_key() -> None:
    facts = Facts()
    for number in range(10_000):
        facts.node(nowhere(number))
    columns = (facts.size, facts.disk, facts.created, facts.modified, facts.opaque)
    words = (facts.kind, facts.stored, facts.media_type, facts.platform)
    taken = sum(map(sys.getsizeof, columns)) + sum(sys.getsizeof(one.codes) for one in words)
    assert taken < 60 * 10_000
