"""The limits of tools that drop references: a part of the record of a kind of store."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Dropping"]


@dataclass(frozen=True, slots=True)
class Dropping:
    """The limits of the first of a kind's tools: each says why something is not dropped, "" where it is.

    `takes`: a regular expression (RE2) of the full names that it takes, "" for all. `refused`: why no other name is
    dropped. `nameless`: why a pin without a name is not. `partly`: why a name is not that others of its pins keep.
    `alone`: why a name is not dropped whose manifest stays; `{}` are the names.
    """

    takes: str = ""
    refused: str = ""
    nameless: str = ""
    partly: str = ""
    alone: str = ""
