"""Commands that find problems in a store, and changes between two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blobkit.commands import completing
from blobkit.commands.addressed import address_argument, remote_options, storage_options
from blobkit.commands.shown import (
    NUMBER,
    cache_option,
    output_options,
    policy_option,
    print_script,
    scanned_both,
    script_option,
    watched,
)
from blobkit.connect import scan
from blobkit.questions.audit import audit as audit_of
from blobkit.questions.audit import limits
from blobkit.questions.diff import diff as diff_of
from blobkit.questions.inputs.ages import parse_age
from blobkit.render import join_some, printable

if TYPE_CHECKING:
    from blobkit.commands.shown import Output

__all__ = ["audit", "diff"]

UNANSWERED, EXCEEDED = 2, 3
UNREADABLE = "unreadable"
NAMED = 3


@click.command()
@address_argument
@click.option("--top", type=NUMBER, default=10, show_default=True, metavar="N", help="Rows in each table.")
@click.option("--verify", is_flag=True, help="Read and hash every blob (for a blobkit store, give oci:PATH).")
@click.option("--min-age", default="24h", show_default=True, metavar="AGE", help="Garbage younger than this is kept.")
@click.option(
    "--fail-over",
    multiple=True,
    metavar="FINDING=SIZE",
    help="Exit with 3 if a finding, or a severity in total, has more bytes: garbage=1GiB.",
)
@click.option(
    "--fail-on", multiple=True, metavar="FINDING", help="Exit with 3 if there is any: missing, error, warning."
)
@script_option("Print the commands that run the garbage collector of a tool.")
@cache_option
@policy_option
@output_options("severity", "finding", "digest", "retained", "tag", "bytes", "size", "exclusive", "closure")
def audit(  # noqa: PLR0913 (one parameter an option)
    address: str,
    top: int,
    min_age: str,
    fail_over: tuple[str, ...],
    fail_on: tuple[str, ...],
    *,
    policy: str | None,
    verify: bool,
    cache: bool | None,
    tool: str | None,
    out: Output,
) -> int:
    """Show the content and the problems of a store, with advice.

    Prints totals, findings with advice, the blobs that keep most, the tags that cost most. Exits with 3 if a threshold
    of --fail-over or --fail-on is exceeded, and prints it on stderr; with 2 if there is no permission to read a part
    of the store, so that its content is unknown.
    """
    parse_age(min_age)
    thresholds = _thresholds(fail_over, fail_on)
    limits(thresholds)
    top = top if out.rows.limit is None else out.rows.limit
    more = storage_options()
    snapshot = scan(address, policy=policy, progress=watched(), verify=verify, cache=cache, storage_options=more)
    answer = audit_of(snapshot, min_age=min_age, top=top)
    if tool is not None:
        print_script(answer.script(tool))
        return 0
    out.answer(answer, answer.to_dict)
    exceeded = answer.exceeds(thresholds)
    for line in exceeded:
        click.echo(f"blobkit: over the threshold: {printable(line)}", err=True)
    barred = [finding for finding in answer.found if finding.code == UNREADABLE]
    for finding in barred:
        names = join_some(list(map(printable, finding.names)), NAMED)
        click.echo(f"blobkit: a part could not be read: {names}: {printable(finding.advice)}", err=True)
    return EXCEEDED if exceeded else UNANSWERED if barred else 0


@click.command()
@remote_options(", on both sides")
@click.argument("before", shell_complete=completing.addresses)
@click.argument("after", shell_complete=completing.addresses)
@click.option(
    "--by",
    default="tag",
    show_default=True,
    metavar="GROUP",
    shell_complete=completing.words("tag", "repo"),
    help="Group names by tag or repo.",
)
@policy_option
@output_options("cause", "blobs", "bytes", "net")
def diff(before: str, after: str, by: str, policy: str | None, *, out: Output) -> None:
    """Show what changed from one store or snapshot to another.

    BEFORE and AFTER are addresses. Prints blobs by the cause of the change, bytes, and names. -O and --repositories are
    for both, or for the one that is on another machine.
    """
    answer = diff_of(*scanned_both(before, after, policy), by=by)
    out.answer(answer, answer.to_dict)


def _thresholds(over: tuple[str, ...], on: tuple[str, ...]) -> dict[str, str | None]:
    """Return the allowed bytes by finding, None if none is allowed; of two limits, the stricter one."""
    odd = [text for text in over if not all(text.partition("="))]
    if odd:
        msg = f"{odd[0]!r} is not a threshold: write FINDING=SIZE, like garbage=1GiB"
        raise click.UsageError(msg, click.get_current_context())
    return {name: size for name, _, size in (text.partition("=") for text in over)} | dict.fromkeys(on)
