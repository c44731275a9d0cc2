"""Names of repositories and tags as a registry lists them: only valid ones are used, and not endlessly many."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.oci.names import REPOSITORY_NAME, TAG_NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blobkit.oci.untrusted import Json

__all__ = ["REPOSITORY", "TAG", "Names", "names_in"]

REPOSITORY, TAG = re.compile(rf"(?=.{{1,255}}\Z){REPOSITORY_NAME}"), re.compile(TAG_NAME)
MOST = 1_000_000
"""Names of the longest list: those after them are not seen."""
OLD_PAGES = 3
"""Pages without a new name, after which a list is taken to be endless."""
SHOWN = 80


@dataclass(slots=True)
class Names:
    """The valid names in a list, in its order, each once. `odd`: how many others there are, `first_odd`: the first.

    `is_cut`: there are more than were read.
    """

    names: list[str] = field(default_factory=list)
    odd: int = 0
    first_odd: str = ""
    is_cut: bool = False

    def refuse(self, name: object) -> None:
        """Count what is no valid name."""
        if not self.odd:
            self.first_odd = repr(name)[:SHOWN]
        self.odd += 1


async def names_in(pages: AsyncIterator[Json], field: str, form: re.Pattern[str]) -> Names:
    """Return the names in the pages of a list."""
    found, seen, old = Names(), set[str](), 0
    async for page in pages:
        items = page.get(field)
        before = len(seen)
        for item in items if isinstance(items, list) else ():
            if not isinstance(item, str) or form.fullmatch(item) is None:
                found.refuse(item)
            elif len(seen) < MOST:
                seen.add(item)
            else:
                found.is_cut = True
        old = old + 1 if len(seen) == before else 0
        if found.is_cut or old == OLD_PAGES:
            found.is_cut = True
            break
    found.names = sorted(seen)
    return found
