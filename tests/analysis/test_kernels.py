"""The compiled form of each kernel gives what the plain one gives."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given

from blobkit.analysis import kernels
from blobkit.analysis.compiling import Kernel
from blobkit.analysis.reach import links_from, live
from graphs import Graph, array, counted, graphs
from kernel_parity import same


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_compiled_kernels_agree_with_plain_ones(graph: Graph) -> None:
    found = counted(graph)
    first, targets, inside = found.indptr, found.indices, live(found)
    roots = array(graph.pinned())
    root = found.pins > 0
    same(kernels.depths, first, targets, roots)
    same(kernels.reverse, first, targets)
    same(kernels.postorder, first, targets, root)
    same(kernels.stuck, first, targets, inside, links_from(found, inside))
    same(kernels.dominators, first, targets, root, inside, links_from(found, inside))
    same(kernels.levels_within, first, targets, found.blob, inside, links_from(found, inside))
    start, sources = kernels.reverse.plain(first, targets)
    order = kernels.postorder.plain(first, targets, root)[::-1].copy()
    same(kernels.dominators_cyclic, start, sources, root, order)
    idom = kernels.dominators_cyclic.plain(start, sources, root, order)
    same(kernels.totals, idom, order, found.size)


@pytest.mark.slow
def test_where_compiled_code_cannot_be_kept_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    numba_njit = numba.njit

    def nowhere(*given: object, cache: bool = False, **options: object) -> object:  # numba itself asks for it, too
        if cache:
            raise RuntimeError("cannot cache function: no locator available")  # noqa: EM101, TRY003 (numba's own)
        return numba_njit(*given, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    kernel = Kernel(kernels.totals.plain)
    assert kernel.compiled(np.array([1, 1], np.int32), np.array([0], np.int32), np.array([7])).tolist() == [7, 7]
