"""Rules of a plan about ages: names that are too young, or among the last of their repository.

Ages are judged by `modified`, or by the time of creation that images claim.
"""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.repositories import members, repositories
from blobkit.errors import PlanError
from blobkit.questions.columns import times
from blobkit.questions.inputs.ages import parse_age
from blobkit.questions.planning.newest import UNRANKED, image_ranks
from blobkit.render import choices, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.questions.inputs.ages import Age
    from blobkit.questions.planning.candidates import Names, Rules

__all__ = ["ADVICE", "UNDATED", "checked", "spare_last", "spare_young"]

UNDATED = {"modified": "its time of modification is unknown", "created": "its image claims no time of creation"}
"""Why a name has no age, by the time that ages are judged by."""
UNKNOWN = np.iinfo(np.int64).min
"""NaT as a number."""
ADVICE = {
    "modified": "no name has a time of modification, so none is old: --age-by created takes the time that images claim",
    "created": "no image claims a time of creation, so none is old",
}
"""What to know where no name has an age."""


def checked(age_by: str) -> str:
    """Return the name of the time that ages are judged by; PlanError if there is none of this name."""
    if age_by not in UNDATED:
        msg = f"age_by is {printable(repr(age_by))}"
        raise PlanError(msg, hint=choices(str(age_by), tuple(UNDATED), use="give one of"))
    return age_by


def spare_young(found: Rules, older_than: Age) -> None:
    """Spare names that are not older than this, or whose age is unknown."""
    dates = _times(found)
    latest = pd.Timestamp(found.names.snapshot.time) - pd.Timedelta(parse_age(older_than))
    found.spare(UNDATED[found.age_by], np.flatnonzero(dates.isna()))
    found.spare(f"not older than {older_than}", np.flatnonzero(dates > latest))


def spare_last(found: Rules, keep_last: int) -> None:
    """Spare the newest images of each repository; PlanError for an impossible number."""
    if isinstance(keep_last, bool) or not isinstance(keep_last, Integral) or keep_last < 0:
        msg = f"keep_last is {keep_last!r}: give how many of each repository to keep, 0 or more"
        raise PlanError(msg)
    frame, dates = found.names.frame, _times(found)
    found.spare(UNDATED[found.age_by], np.flatnonzero(dates.isna()))
    repository, image = (pd.factorize(frame[column])[0] for column in ("repo", "digest"))
    dated = dates.notna().to_numpy(bool)
    rank = image_ranks(repository, image, dates.to_numpy("datetime64[us]").view(np.int64), dated)
    is_last = (rank != UNRANKED) & (rank < keep_last)
    found.spare(f"among the last {keep_last} of its repository", np.flatnonzero(is_last))


def _times(found: Rules) -> pd.Series:
    """Return the time that the age of each name is judged by; NaT: unknown, never old."""
    return found.names.frame["modified"] if found.age_by == "modified" else _created(found.names)


def _created(names: Names) -> pd.Series:
    """Return the time of creation that the image of each name claims; of an index without one, the newest in it."""
    blob = repositories(names.snapshot).blob[names.rows]
    claimed = _micros(times(names.snapshot, "created", blob))
    inside, whose = members(names.snapshot).of(blob)
    newest = np.full(len(blob), UNKNOWN)
    np.maximum.at(newest, whose, _micros(times(names.snapshot, "created", inside.astype(np.int32))))
    claimed = np.where(claimed == UNKNOWN, newest, claimed)
    latest = np.maximum.reduceat(claimed, names.start[:-1]) if len(claimed) else claimed
    return pd.Series(pd.DatetimeIndex(latest.view("datetime64[us]")).tz_localize("UTC"))


def _micros(moments: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Return times as microseconds since 1970, UNKNOWN for NaT."""
    return moments.tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
