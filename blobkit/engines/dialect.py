"""The places where the SQL of engines differs: everything else is one text for all of them."""

from __future__ import annotations

from typing import NamedTuple

from blobkit.snapshot.columns import LATEST

__all__ = ["DUCKDB", "SPARK", "Dialect"]


class Dialect(NamedTuple):
    """The words of one engine. Those with braces are formats for expressions.

    `group` is the name of that column, which is a keyword; `unnest` turns a list into rows; `empty` is a list of ids.
    `is_re2` says whether `matches` takes the regular expressions of RE2, which users write, or only those of globs.
    `common` is the length of the longest common start of two lists, `first` so many of its first members.
    """

    group: str
    time: str
    unnest: str
    length: str
    in_order: str
    one: str
    empty: str
    appended: str
    first: str
    common: str
    divided: str
    matches: str
    is_re2: bool
    month: str


DUCKDB = Dialect(
    group='"group"',
    time="TIMESTAMP WITH TIME ZONE",
    unnest="unnest({})",
    length="len({})",
    in_order="list_sort(list({}))",
    one="[{}]",
    empty="CAST([] AS BIGINT[])",
    appended="list_append({}, {})",
    first="{}[1:{}]",
    common="""coalesce(list_position(list_transform(range(1, least(len({a}), len({b})) + 1),
        lambda i: {a}[i] <> {b}[i]), true) - 1, least(len({a}), len({b})))""",
    divided="({} // {})",
    matches="regexp_matches({}, {})",
    is_re2=True,
    month=f"""CASE WHEN epoch_us(n.modified) BETWEEN 0 AND {LATEST}
        THEN strftime(make_timestamp(epoch_us(n.modified)), '%Y-%m') END""",
)
"""DuckDB. Times are formatted without a time zone, so in UTC."""

SPARK = Dialect(
    group="`group`",
    time="TIMESTAMP",
    unnest="explode({})",
    length="size({})",
    in_order="sort_array(collect_list({}))",
    one="array({})",
    empty="CAST(array() AS ARRAY<BIGINT>)",
    appended="array_append({}, {})",
    first="slice({}, 1, {})",
    common="""coalesce(nullif(array_position(transform(slice({a}, 1, least(size({a}), size({b}))),
        (x, i) -> x <> {b}[i]), true), 0) - 1, least(size({a}), size({b})))""",
    divided="({} DIV {})",
    matches="({} RLIKE {})",
    is_re2=False,
    month=f"""CASE WHEN unix_micros(n.modified) BETWEEN 0 AND {LATEST}
        THEN date_format(date_from_unix_date(CAST(unix_micros(n.modified) DIV 86400000000 AS INT)), 'yyyy-MM') END""",
)
"""Spark. A date has no time zone, so the month is that of UTC."""
