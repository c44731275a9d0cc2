"""Commands that only read: what is in a store, why, and what would go."""

from __future__ import annotations

import click

from blobkit.commands.shown import dumps, json_option, policy_option, scanned, style
from blobkit.present.plain import records
from blobkit.present.sections import frame_table
from blobkit.present.text import table_text
from blobkit.questions.comparison import compare_gc as comparison_of
from blobkit.questions.preview import simulate_deref
from blobkit.questions.sharing import sharing as sharing_of
from blobkit.questions.untagged import untagged_frame
from blobkit.questions.usage import usage as usage_of
from blobkit.questions.why import why as why_of

__all__ = ["compare_gc", "sharing", "simulate", "untagged", "usage", "why"]


@click.command()
@click.argument("address")
@click.argument("targets", nargs=-1, metavar="TARGET...")
@click.option("--group", "groups", multiple=True, metavar="REPOSITORY", help="Drop every pin of a repository.")
@click.option("--all-pins", is_flag=True, help="Drop all pins on what is named.")
@click.option("--script", "tool", metavar="TOOL", help="Print the commands for curl, crane, skopeo, regctl, umoci, ...")
@policy_option
@json_option
def simulate(  # noqa: PLR0913 (one parameter an option)
    address: str,
    targets: tuple[str, ...],
    groups: tuple[str, ...],
    policy: str | None,
    *,
    all_pins: bool,
    tool: str | None,
    as_json: bool,
) -> None:
    """Show exactly what would go if tags were dropped together.

    TARGETs are tags, digests, the start of a digest, or patterns with *. Nothing is deleted.
    """
    answer = simulate_deref(scanned(address, policy), *targets, groups=groups, all_pins=all_pins)
    if tool is not None:
        click.echo(answer.script(tool).encode(), nl=False)  # names are UTF-8, whatever the terminal
    else:
        click.echo(dumps(answer.to_dict()) if as_json else str(answer))


@click.command()
@click.argument("address")
@click.option("--group", "groups", multiple=True, metavar="REPOSITORY", help="Only those of a repository.")
@click.option("--script", "tool", metavar="TOOL", help="Print the commands for curl, crane, skopeo or regctl.")
@json_option
def untagged(address: str, groups: tuple[str, ...], *, tool: str | None, as_json: bool) -> None:
    """List the manifests that no tag names, and what needs them.

    Says what dropping the others would free. What nothing needs can be dropped. The images of a tagged index, and
    referrers (signatures, SBOMs) of images in use are needed; so is what is younger than a day.
    """
    snapshot = scanned(address, None)
    answer = simulate_deref(snapshot, untagged=True, groups=groups)
    frame = untagged_frame(snapshot)
    frame = frame[frame["repo"].isin(groups)] if groups else frame
    if tool is not None:
        click.echo(answer.script(tool).encode(), nl=False)  # names are UTF-8, whatever the terminal
    elif as_json:
        click.echo(dumps({"untagged": records(frame.set_index("repo")), **answer.to_dict()}))
    else:
        shown = frame.drop(columns="modified").set_index("repo")
        lines = [answer.title(), *answer.lines()]
        click.echo(
            "\n".join([*lines, *([table_text(frame_table(shown, rows=len(shown)), style())] if len(frame) else [])])
        )


@click.command()
@click.argument("address")
@click.argument("blob")
@policy_option
@json_option
def why(address: str, blob: str, policy: str | None, *, as_json: bool) -> None:
    """Show why a blob is still there: what reaches it, and how.

    BLOB is a digest, the start of one, or a tag.
    """
    answer = why_of(scanned(address, policy), blob)
    click.echo(dumps(answer.to_dict()) if as_json else str(answer))


_GROUPS = "tag, repo, kind, media_type, platform or month."


@click.command()
@click.argument("address")
@click.option("--by", default="tag", show_default=True, metavar="WHAT", help=_GROUPS)
@policy_option
@json_option
def usage(address: str, by: str, policy: str | None, *, as_json: bool) -> None:
    """Show what uses the space: by tag, repository, kind or month.

    For each group: the bytes that it reaches, that it alone holds, and its share of all bytes.
    """
    answer = usage_of(scanned(address, policy), by)
    click.echo(dumps(answer.to_dict()) if as_json else str(answer))


@click.command()
@click.argument("address")
@click.option("--by", default="repo", show_default=True, metavar="WHAT", help=_GROUPS)
@policy_option
@json_option
def sharing(address: str, by: str, policy: str | None, *, as_json: bool) -> None:
    """Show which repositories or tags share how much.

    Bytes are counted by the exact set of groups that reach them.
    """
    answer = sharing_of(scanned(address, policy), by)
    click.echo(dumps(answer.to_dict()) if as_json else str(answer))


@click.command()
@click.argument("address")
@click.argument("tool")
@json_option
def compare_gc(address: str, tool: str, *, as_json: bool) -> None:
    """Show what the garbage collector of a tool would delete.

    Says what of it tags still need. TOOL is umoci, registry or registry-m (garbage-collect -m).
    """
    answer = comparison_of(scanned(address, None), tool)
    click.echo(dumps(answer.to_dict()) if as_json else str(answer))
