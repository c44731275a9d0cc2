"""The limits of a tool that drops references: a part of the record of a kind of store."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Dropping"]


@dataclass(frozen=True, slots=True)
class Dropping:
    """The limits of the default tool of a kind of store. Each text says why a pin is not dropped, "" for no limit.

    `takes`: a regular expression (RE2) for the full names that the tool accepts, "" for all; `refused`: the reason for
    all other names. `nameless`: the reason for pins without a name. `partly`: for a name of several pins, some of
    which stay. `alone`: for a tag whose manifest stays; `{}` stands for the names. `in_use`: for the last name of an
    image that a container uses; `{}` stands for the containers. `running`: for a container that runs. `noticed`: codes
    of notices, each with the reason for pins whose node or repository has such a notice.
    """

    takes: str = ""
    refused: str = ""
    nameless: str = ""
    partly: str = ""
    alone: str = ""
    in_use: str = ""
    running: str = ""
    noticed: tuple[tuple[str, str], ...] = ()
