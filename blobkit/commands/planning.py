"""The command that plans a deletion: which tags to drop to free a number of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blobkit.commands import completing
from blobkit.commands.addressed import address_argument
from blobkit.commands.shown import (
    NUMBER,
    group_option,
    output_options,
    policy_option,
    print_script,
    scanned,
    script_option,
    watched,
)
from blobkit.questions.plan import SECONDS
from blobkit.questions.plan import plan as plan_for

if TYPE_CHECKING:
    from blobkit.commands.shown import Output

__all__ = ["plan"]

LENGTH = click.FloatRange(min=0)
LENGTH.name = "number of seconds"  # the name in messages


@click.command()
@address_argument
@click.option("--free", metavar="SIZE", help="Bytes to free: 20GiB, 20GB or a number.")
@click.option("--until", metavar="SIZE", help="Bytes that may stay stored in all.")
@click.option(
    "--keep",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.blobs,
    help="A tag, pattern, digest or repo@digest to keep.",
)
@click.option("--older-than", metavar="AGE", help="Drop only tags older than this: 30d, 2w, 12h.")
@click.option("--keep-last", type=NUMBER, metavar="N", help="Keep the newest N images of each repository.")
@click.option(
    "--age-by",
    type=click.Choice(["modified", "created"]),
    default="modified",
    show_default=True,
    help="The time that ages are judged by: created is what images claim.",
)
@click.option(
    "--time-limit",
    type=LENGTH,
    default=SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="The longest time to search.",
)
@click.option("--untagged", is_flag=True, help="Instead of tags, drop manifests that no tag names and nothing needs.")
@group_option("With --untagged: only in this repository.")
@script_option("Print the commands for curl, crane, skopeo, regctl, umoci, ...")
@policy_option
@output_options("tag", "digest", "modified", "exclusive", "cost")
def plan(  # noqa: PLR0913 (one parameter an option)
    address: str,
    *,
    free: str | None,
    until: str | None,
    keep: tuple[str, ...],
    older_than: str | None,
    keep_last: int | None,
    age_by: str,
    time_limit: float,
    untagged: bool,
    groups: tuple[str, ...],
    tool: str | None,
    policy: str | None,
    out: Output,
) -> None:
    """Show the tags to drop to free a number of bytes.

    Chooses the cheapest set of tags; nothing is deleted. Without --free and --until: all tags that --older-than and
    --keep-last allow.
    """
    answer = plan_for(
        scanned(address, None if untagged else policy),
        free=free,
        until=until,
        keep=keep,
        older_than=older_than,
        keep_last=keep_last,
        age_by=age_by,
        time_limit=time_limit,
        untagged=untagged,
        groups=groups,
        policy=policy,
        progress=watched(),
    )
    if tool is not None:
        print_script(answer.script(tool))
    else:
        out.answer(answer, answer.to_dict)
