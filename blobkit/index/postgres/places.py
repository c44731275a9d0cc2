"""Places of content in PostgreSQL: used once each, with intents before anything is sent and tombstones after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import pack

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.index.postgres.connecting import Connection
    from blobkit.index.postgres.rows import Known

__all__ = ["PlacesWriting"]

INTEND = "INSERT INTO intents(place) SELECT unnest(%s::text[])"
INTEND_ABSENT = """INSERT INTO intents(place) SELECT q.place FROM unnest(%s::bytea[], %s::text[]) q(digest, place)
    WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.digest = q.digest AND b.place <> '') RETURNING place"""
SETTLE = """WITH mine AS (DELETE FROM intents WHERE place = ANY(%(places)s) RETURNING place),
    set AS (UPDATE blobs b SET place = q.place FROM unnest(%(ids)s::bigint[], %(wanted)s::text[]) q(id, place), mine
        WHERE b.id = q.id AND mine.place = q.place RETURNING b.place)
    SELECT mine.place, set.place IS NOT NULL FROM mine LEFT JOIN set ON set.place = mine.place"""
UNPLACE = """UPDATE blobs b SET place = '' FROM unnest(%s::bytea[], %s::text[]) q(digest, place)
    WHERE b.digest = q.digest AND b.place = q.place RETURNING q.place"""
BURY = "INSERT INTO graves(place) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING"
EXPIRE = """WITH late AS (DELETE FROM intents WHERE place IN (SELECT place FROM intents
        WHERE born < clock_timestamp() - %(lease)s * interval '1 second' FOR UPDATE SKIP LOCKED) RETURNING place)
    INSERT INTO graves(place, again) SELECT place, clock_timestamp() + %(lease)s * interval '1 second' FROM late
    ON CONFLICT DO NOTHING"""
CLAIM = """UPDATE graves SET claimed = clock_timestamp() WHERE place IN (SELECT place FROM graves
        WHERE claimed IS NULL OR claimed < clock_timestamp() - %(lease)s * interval '1 second'
        ORDER BY again NULLS FIRST, claimed NULLS FIRST LIMIT %(limit)s FOR UPDATE SKIP LOCKED) RETURNING place"""
FORGET = """WITH gone AS (DELETE FROM graves WHERE place = ANY(%(places)s)
        AND (again IS NULL OR again <= clock_timestamp()))
    UPDATE graves SET claimed = NULL WHERE place = ANY(%(places)s) AND again > clock_timestamp()"""


class PlacesWriting:
    """The writes of `blobkit.places.Places`; the time is that of the server."""

    _db: Connection

    if TYPE_CHECKING:

        def _seen(self, blobs: Collection[Digest]) -> dict[Digest, Known]: ...

        def _forget(self) -> None: ...

        _known: dict[Digest, Known | None]

    def intend(self, places: Collection[str]) -> None:
        """Write intents for new places."""
        self._db.execute(INTEND, (list(places),))

    def intend_absent(self, places: Mapping[Digest, str]) -> Collection[Digest]:
        """Write the intents of those blobs that have no place at this moment; return these blobs."""
        asked = list(map(pack, places)), list(places.values())
        intended = {place for (place,) in self._db.execute(INTEND_ABSENT, asked)}
        return [digest for digest, place in places.items() if place in intended]

    def settle(self, places: Mapping[Digest, str]) -> Collection[Digest]:
        """Make each of these the place of its blob; return the blobs whose intents are gone."""
        seen = self._seen(places)
        new = {d: place for d, place in places.items() if d not in seen or seen[d][6] != place}
        free = [digest for digest in new if digest in seen and not seen[digest][6]]
        asked = {"places": list(new.values()), "ids": [seen[digest][0] for digest in free]}
        asked["wanted"] = [new[digest] for digest in free]
        dropped: dict[str, bool] = dict(self._db.execute(SETTLE, asked).fetchall()) if new else {}
        self._bury([place for place in new.values() if not dropped.get(place)])
        for digest in free:
            if dropped.get(new[digest]):
                self._known[digest] = (*seen[digest][:6], new[digest])
        return [digest for digest, place in new.items() if place not in dropped]

    def unsettle(self, places: Mapping[Digest, str]) -> None:
        """Take its place from each of these blobs that still has this one."""
        ordered = sorted(places.items())
        asked = [pack(digest) for digest, _ in ordered], [place for _, place in ordered]
        self._bury([place for (place,) in self._db.execute(UNPLACE, asked)])
        self._forget()

    def claim(self, limit: int, lease: float) -> Sequence[str]:
        """Return up to `limit` places to delete."""
        self._db.execute(EXPIRE, {"lease": lease})
        return [place for (place,) in self._db.execute(CLAIM, {"lease": lease, "limit": limit})]

    def forget_places(self, places: Collection[str]) -> None:
        """Clear the tombstones of these, but those that stay for a late writer."""
        self._db.execute(FORGET, {"places": list(places)})

    def _bury(self, places: list[str]) -> None:
        if places:
            self._db.execute(BURY, (places,))
