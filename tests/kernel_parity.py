"""Check that both forms of a kernel, plain Python and compiled, give equal results."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.analysis.compiling import Kernel


def same(kernel: Kernel[..., object], *args: np.ndarray | int) -> None:
    """Run both forms on copies of the same arrays: results and what is left of the arrays must agree."""
    answers = []
    for run in (kernel.plain, kernel.compiled):
        given_arrays = [copy(arg) for arg in args]
        answers.append([*arrays(run(*given_arrays)), *map(np.asarray, given_arrays)])
    for plain, compiled in zip(*answers, strict=True):
        assert plain.dtype == compiled.dtype
        assert plain.tolist() == compiled.tolist()


def arrays(result: object) -> Iterator[np.ndarray]:
    yield from map(np.asarray, result if isinstance(result, tuple) else (result,))
