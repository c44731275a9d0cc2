"""The log of what is read: standard logging under the name `blobkit`, silent unless somebody listens."""

from __future__ import annotations

import logging

__all__ = ["log"]

log = logging.getLogger("blobkit")
log.addHandler(logging.NullHandler())
