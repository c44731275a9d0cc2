"""Mixed-integer programs of names to drop: HiGHS solves them, for long in a process of its own that can be stopped.

HiGHS looks at neither its time limit nor a keyboard interrupt in some of its steps. So this process asks it for an
instant only, and about small programs only. Only this file and `blobkit.store.cycles` import scipy: this one for its
solver, the other one for its graph algorithms.
"""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, vstack

from blobkit.log import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.analysis.covers import Cover

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Rest = Callable[[], float]
    """A function that returns how many seconds are left."""

__all__ = ["Program", "serve"]

SLIGHT = 1e-9
"""The relative difference below which two sums of floats count as equal."""
INSTANT = 0.5
"""The most seconds that the solver gets in this process."""
PAIRS_HERE = 5_000
"""The most entries of a program that is solved in this process: a step of the solver that does not stop is short."""
NAMES_PRESOLVED = 2_000
"""The most names of a program that the solver tries to simplify: with more it takes longer than the search."""
MARGIN = 1.0
"""The seconds that the other process gets to start and to tell what it found so far."""
TICK = 0.5
"""The seconds between two reports of progress."""
OPTIMAL, STOPPED, INFEASIBLE = 0, 1, 2


class Found(NamedTuple):
    """A status of scipy's `milp`, a lower bound of the goal, and the values (none: empty)."""

    status: int
    low: float
    x: Floats


class Program:
    """Variables: whether each name is dropped, then how much of each class with several names goes."""

    def __init__(self, cover: Cover, need: int) -> None:
        self.cover, self.need = cover, need
        names, several = len(cover.cost), cover.number > 1
        own = np.bincount(
            cover.member[~several[cover.of_pair]], weights=cover.size[~several].astype(float), minlength=names
        )
        self.weight = np.concatenate((own, cover.size[several])) / need
        enough = np.minimum(self.weight, 1.0)  # more than needed does not help, and huge values lose precision
        place = names + np.cumsum(several) - 1
        pair = several[cover.of_pair]
        below, above = place[cover.of_pair[pair]], cover.member[pair]
        row = np.arange(len(below))
        entries = (np.repeat([1.0, -1.0], len(row)), (np.tile(row, 2), np.concatenate((below, above))))
        self.rows = coo_array(entries, shape=(len(row), len(self.weight))).tocsr()
        self.low, self.high = np.full(len(row), -np.inf), np.zeros(len(row))
        self._add(enough, 1 - SLIGHT, np.inf)

    def add(self, of_names: Floats, low: float, high: float) -> None:
        """Constrain a sum over the names to a range."""
        self._add(np.concatenate((of_names, np.zeros(len(self.weight) - len(of_names)))), low, high)

    def _add(self, row: Floats, low: float, high: float) -> None:
        self.rows = vstack((self.rows, csr_array(row[None, :])), format="csr")
        self.low, self.high = np.append(self.low, low), np.append(self.high, high)

    def solved(self, goal: Floats, rest: Rest, say: Callable[[], object] = lambda: None) -> tuple[Bools | None, float]:
        """Return the names with the least `goal`, if there are any and time allows, and a bound of that goal.

        The solver rounds. If its choice frees too little, that choice is excluded and the solver runs again. `say` is
        called now and then.
        """
        names = len(self.cover.cost)
        low = -np.inf
        while rest() > 0:
            found = self._asked(goal, rest, say)
            if found.status == INFEASIBLE:
                return None, np.inf
            low = max(low, found.low)
            if not len(found.x):
                return None, low
            dropped = found.x[:names] > 0.5  # noqa: PLR2004 (0 or 1, nearly)
            if self.cover.freed(dropped) >= self.need:
                return dropped, low
            self.add((~dropped).astype(float), 1, np.inf)
        return None, low

    def _asked(self, goal: Floats, rest: Rest, say: Callable[[], object]) -> Found:
        """Return what the solver finds: here if that takes an instant, else in another process."""
        arrays = {
            "goal": goal,
            "names": np.array(len(self.cover.cost)),
            "data": self.rows.data,
            "indices": self.rows.indices,
            "indptr": self.rows.indptr,
            "low": self.low,
            "high": self.high,
        }
        if self.rows.nnz <= PAIRS_HERE:
            found = _solved(arrays, min(rest(), INSTANT))
            if found.status != STOPPED:
                return found
        return _elsewhere(arrays, rest, say)


def _solved(arrays: dict[str, NDArray[np.generic]], seconds: float) -> Found:
    """Return what the solver finds in about so many seconds."""
    goal, names = np.asarray(arrays["goal"], np.float64), int(arrays["names"])
    rows = csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(len(arrays["low"]), len(goal)))
    done = milp(
        goal,
        integrality=np.arange(len(goal)) < names,
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(rows, arrays["low"], arrays["high"]),
        options={"time_limit": max(seconds, 0.0), "mip_rel_gap": 0, "presolve": names <= NAMES_PRESOLVED},
    )
    low = done.fun if done.status == OPTIMAL else done.mip_dual_bound
    return Found(int(done.status), -np.inf if low is None else float(low), np.zeros(0) if done.x is None else done.x)


def _elsewhere(arrays: dict[str, NDArray[np.generic]], rest: Rest, say: Callable[[], object]) -> Found:
    """Return what the solver finds in a process of its own, which ends with the time, and if this one is interrupted.

    Nothing is found if no such process can run.
    """
    answer = b""
    if rest() > MARGIN:
        try:
            with TemporaryFile() as given:
                np.savez(given, seconds=np.array(rest() - MARGIN), **arrays)  # type: ignore[arg-type]  # (its own names)
                given.seek(0)
                answer = _answered(given, rest, say)
        except OSError as error:
            log.info("the solver did not start: %s", error)
    if not answer:
        return Found(STOPPED, -np.inf, np.zeros(0))
    with np.load(BytesIO(answer), allow_pickle=False) as got:
        return Found(int(got["status"]), float(got["low"]), got["x"])


def _answered(given: IO[bytes], rest: Rest, say: Callable[[], object]) -> bytes:
    """Return what the other process writes; nothing if it is not ready in time, or fails."""
    with subprocess.Popen(  # noqa: S603 (Python runs a function of this file)
        [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    ) as child:
        try:
            while (seconds := rest()) > 0:
                try:
                    answer = child.communicate(timeout=min(seconds, TICK))[0]
                except subprocess.TimeoutExpired:
                    say()
                else:
                    return b"" if child.returncode else answer
        finally:
            child.kill()
    return b""


def serve() -> None:
    """Read a program from standard input, and write what the solver finds to standard output."""
    with np.load(BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as got:
        arrays = {name: got[name] for name in got.files}
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the solver prints now and then
    found = _solved(arrays, float(arrays["seconds"]))
    made = BytesIO()
    np.savez(made, status=np.array(found.status), low=np.array(found.low), x=found.x)
    with answer:
        answer.write(made.getvalue())
