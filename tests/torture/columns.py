"""Damage by a seed to the tables of a saved snapshot: values, types, rows, encodings, vocabularies."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow as pa

import crafted
from mutations import DIGEST, mutate_bytes, mutate_document

if TYPE_CHECKING:
    from random import Random

    from crafted import Tables

NUMBERS = [0, 1, -1, 3, 1 << 31, 1 << 32, 1 << 53, 1 << 62, (1 << 63) - 1, -(1 << 63)]
WORDS = [
    None, "", "x", "../../victim", DIGEST, DIGEST + "\n", "r@" + DIGEST, "a\x00\x1b[31m\u202e\n", "yes", "virtual",
    "missing", "manifest", "layer", "tag", "entry", "revision", "referrer", "stored-as", "unseen-revision",
    "$(id)'\"<b>", "y" * 3000, "dangling", "opaque", "digest-mismatch", "leftover", "upload", "recompressed",
    "x holds 5 B (5 bytes)",
]  # fmt: skip
TYPES = [
    pa.int8(), pa.int32(), pa.int64(), pa.uint64(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(),
    pa.binary(), pa.timestamp("us", tz="UTC"), pa.timestamp("s", tz="UTC"), pa.timestamp("ns"), pa.date32(),
    pa.decimal128(30, 2),    pa.list_(pa.string()), pa.dictionary(pa.int32(), pa.string()), pa.null(),
]  # fmt: skip
ENCODINGS = ["PLAIN", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"]


def odd(random: Random, kind: pa.DataType) -> object:
    """One value that fits a type, or does not."""
    if pa.types.is_boolean(kind):
        return random.choice([True, False, None])
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        return random.choice([*NUMBERS, None])
    return random.choice(WORDS)


def no_utf_8(random: Random, column: pa.Array) -> pa.Array:
    """The texts, one of them with bytes that are no UTF-8."""
    values = column.cast(pa.large_binary()).to_pylist()
    if values:
        values[random.randrange(len(values))] = random.choice([b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
    return pa.array(values, pa.large_binary()).view(pa.large_string())


def mutate_column(random: Random, found: Tables) -> Tables:
    """Change values of a column, or its type."""
    table = random.choice(sorted(found))
    at = random.randrange(found[table].num_columns)
    field = found[table].schema.field(at)
    column = found[table].column(at).combine_chunks()
    plain = column.cast(pa.large_string()) if pa.types.is_dictionary(field.type) else column
    if random.random() < 0.25:
        plain = plain.cast(random.choice(TYPES), safe=False)
    elif pa.types.is_large_string(plain.type) and random.random() < 0.2:
        plain = no_utf_8(random, plain)
    else:
        values = plain.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(plain.type) else plain.to_pylist()
        for _ in range(random.choice([1, 1, 3])):
            if values:
                values[random.randrange(len(values))] = odd(random, plain.type)
        plain = pa.array(values, plain.type)
    if random.random() < 0.3:
        plain = plain.dictionary_encode()
    return {**found, table: found[table].set_column(at, random.choice([field.name] * 9 + ["other"]), plain)}


def mutate_rows(random: Random, found: Tables) -> Tables:
    """Leave rows out, double or reorder them, or drop or double a column."""
    name = random.choice(sorted(found))
    table = found[name]
    rows = list(range(table.num_rows))
    action = random.randrange(5)
    if action == 0:
        table = table.slice(random.randrange(len(rows) + 1))
    elif action == 1:
        table = table.take(random.choices(rows, k=random.choice([1, 5, 2000]))) if rows else table
    elif action == 2:
        random.shuffle(rows)
        table = table.take(rows)
    elif action == 3:
        table = table.remove_column(random.randrange(table.num_columns))
    else:
        at = random.randrange(table.num_columns)
        table = table.append_column(table.schema.field(at), table.column(at))
    return {**found, name: table}


def options(random: Random, columns: list[str]) -> dict[str, object]:
    """Ways to write parquet."""
    chosen: dict[str, object] = {"compression": random.choice(["zstd", "none", "snappy", "gzip"])}
    if random.random() < 0.2:
        chosen["row_group_size"] = random.choice([1, 3])
    if random.random() < 0.2:
        chosen["use_dictionary"] = random.choice([True, False])
    if random.random() < 0.2:
        chosen["data_page_version"] = "2.0"
    if random.random() < 0.2:
        names = random.sample(columns, random.randrange(1, len(columns) + 1)) if columns else []
        chosen |= {"use_dictionary": False, "column_encoding": dict.fromkeys(names, random.choice(ENCODINGS))}
    return chosen


def written(random: Random, table: pa.Table) -> bytes:
    """A table as parquet in some way; the usual one where that way does not fit, and nothing where none does."""
    for way in (options(random, table.column_names), {}):
        with suppress(pa.ArrowException, OSError, TypeError, ValueError):
            return crafted.parquet(table, **way)
    return b""


def damaged(random: Random, found: Tables, meta: bytes) -> dict[str, bytes]:
    """The files of a saved snapshot after some damage: by column, by row, or by byte."""
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        with suppress(pa.ArrowException, OverflowError, TypeError, UnicodeDecodeError):  # some do not fit a column
            found = random.choice([mutate_column, mutate_column, mutate_rows])(random, found)
    files = {"snapshot.json": meta} | {f"{name}.parquet": written(random, table) for name, table in found.items()}
    if random.random() < 0.15:
        name = random.choice(sorted(files))
        change = mutate_document if name == "snapshot.json" else mutate_bytes
        files[name] = change(random, files[name])
    if random.random() < 0.2:
        for _ in range(random.choice([1, 3])):
            name = random.choice(sorted(files))
            data = bytearray(files[name] or b"x")
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            files[name] = bytes(data)
    if random.random() < 0.02:
        del files[random.choice(sorted(files))]
    return files
