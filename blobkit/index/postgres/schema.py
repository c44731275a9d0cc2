"""The tables of an index in PostgreSQL. Each store has a schema of its own, so that a database may hold several.

Text that may hold any character is bytea, which NUL does not end. Names sort by their bytes, as in every index.
"""

from __future__ import annotations

__all__ = ["TABLES", "VERSION"]

VERSION = 1
TABLES = """
CREATE TABLE media_types(id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name bytea NOT NULL UNIQUE);
CREATE TABLE blobs(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest bytea NOT NULL UNIQUE,
    size bigint NOT NULL CHECK (size >= 0), refcount bigint NOT NULL, pins bigint NOT NULL,
    media_type int NOT NULL, created bigint NOT NULL, place text NOT NULL DEFAULT '') WITH (fillfactor = 85);
CREATE UNIQUE INDEX blobs_place ON blobs(place) WHERE place <> '';
CREATE TABLE links(from_id bigint NOT NULL, to_id bigint NOT NULL, kind smallint NOT NULL,
    PRIMARY KEY (from_id, to_id));
CREATE INDEX links_to ON links(to_id, from_id);
CREATE TABLE missing_links(digest bytea NOT NULL, from_id bigint NOT NULL, kind smallint NOT NULL,
    media_type bytea NOT NULL, PRIMARY KEY (digest, from_id));
CREATE INDEX missing_links_from ON missing_links(from_id);
CREATE TABLE tags(name text COLLATE "C" PRIMARY KEY, blob_id bigint NOT NULL);
CREATE INDEX tags_of ON tags(blob_id);
CREATE TABLE changed_names(name text COLLATE "C" PRIMARY KEY, digest bytea);
CREATE TABLE given(source text NOT NULL, blob_id bigint NOT NULL, pins bigint NOT NULL,
    PRIMARY KEY (source, blob_id));
CREATE INDEX given_of ON given(blob_id);
CREATE TABLE tombstones(digest bytea PRIMARY KEY);
CREATE TABLE intents(place text PRIMARY KEY, born timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX intents_born ON intents(born);
CREATE TABLE graves(place text PRIMARY KEY, claimed timestamptz, again timestamptz);
CREATE INDEX graves_waiting ON graves(again NULLS FIRST, claimed NULLS FIRST);
CREATE TABLE journal(number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest bytea NOT NULL,
    content bytea NOT NULL);
CREATE TABLE meta(key text PRIMARY KEY, value text NOT NULL);
"""
"""`graves` are tombstones of places: claimed by a sweeper at a time; kept until `again` for a writer that is late."""
