"""The roles of pins and links as arrays by kind: `CONTAINS[codes(links["kind"])]` is a mask of links."""

from __future__ import annotations

import numpy as np

from blobkit.snapshot.references import LINKS, PINS

__all__ = [
    "BY_DIGEST",
    "CONTAINS",
    "FOLLOWS",
    "GOES_ALONG",
    "HAS_DATA",
    "IS_ALIAS",
    "IS_ALONE",
    "IS_LEFT",
    "IS_REVISION",
    "IS_SECOND",
    "IS_TWIN",
    "NAMES",
    "NEEDS",
    "OPENS",
    "REFERS",
    "RUNS",
    "STANDS_FOR",
    "USES",
]

CONTAINS = np.array([kind.contains for kind in LINKS])
NEEDS = np.array([kind.needs for kind in LINKS])
BY_DIGEST = np.array([kind.by_digest for kind in LINKS])
OPENS = np.array([kind.opens for kind in LINKS])
REFERS = np.array([kind.refers for kind in LINKS])
STANDS_FOR = np.array([kind.stands_for for kind in LINKS])
USES = np.array([kind.uses for kind in LINKS])

NAMES = np.array([kind.names for kind in PINS])
IS_REVISION = np.array([kind.is_revision for kind in PINS])
GOES_ALONG = np.array([kind.goes_along for kind in PINS])
IS_ALIAS = np.array([kind.is_alias for kind in PINS])
IS_TWIN = np.array([kind.is_twin for kind in PINS])
IS_ALONE = np.array([kind.is_alone for kind in PINS])
HAS_DATA = np.array([kind.has_data for kind in PINS])
IS_LEFT = np.array([kind.is_left for kind in PINS])
RUNS = np.array([kind.runs for kind in PINS])
FOLLOWS = np.array([kind.follows for kind in PINS])
IS_SECOND = np.array([kind.is_second for kind in PINS])
