"""Commands that answer questions about a store: its use of space, references, and deletions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blobkit.commands import completing
from blobkit.commands.addressed import address_argument
from blobkit.commands.shown import (
    group_option,
    output_options,
    policy_option,
    print_script,
    scanned,
    script_option,
)
from blobkit.present.answer import Answer
from blobkit.present.plain import records
from blobkit.present.sections import ROWS_SHOWN, Section, frame_table
from blobkit.questions.comparison import compare_gc as comparison_of
from blobkit.questions.preview import simulate_deref
from blobkit.questions.sharing import sharing as sharing_of
from blobkit.questions.untagged import untagged_frame
from blobkit.questions.usage import usage as usage_of
from blobkit.questions.why import why as why_of

if TYPE_CHECKING:
    import pandas as pd

    from blobkit.commands.shown import Decorator, Output
    from blobkit.questions.preview import Preview

__all__ = ["compare_gc", "sharing", "simulate", "untagged", "usage", "why"]


@click.command()
@address_argument
@click.argument("targets", nargs=-1, metavar="TARGET...", shell_complete=completing.blobs)
@group_option("Drop every pin of this repository.")
@click.option("--all-pins", is_flag=True, help="Drop all pins on each target.")
@script_option("Print the commands for curl, crane, skopeo, regctl, umoci, ...")
@policy_option
@output_options("size", "level", "kind")
def simulate(  # noqa: PLR0913 (one parameter an option)
    address: str,
    targets: tuple[str, ...],
    groups: tuple[str, ...],
    policy: str | None,
    *,
    all_pins: bool,
    tool: str | None,
    out: Output,
) -> None:
    """Show exactly what dropping tags together would free.

    TARGETs are tags, digests, the start of a digest, or patterns (*, ?, [..], or re:EXPRESSION). Nothing is deleted.
    """
    answer = simulate_deref(scanned(address, policy), *targets, groups=groups, all_pins=all_pins)
    if tool is not None:
        print_script(answer.script(tool))
    else:
        out.answer(answer, answer.to_dict)


@click.command()
@address_argument
@group_option("Only the manifests of this repository.")
@script_option("Print the commands for curl, crane, skopeo or regctl.")
@output_options("repo", "digest", "kind", "size", "frees")
def untagged(address: str, groups: tuple[str, ...], *, tool: str | None, out: Output) -> None:
    """List the manifests that no tag names, and what needs them.

    Manifests that nothing needs can be dropped; shows what this would free. Needed are: the images of a tagged index,
    referrers (signatures, SBOMs) of images in use, manifests younger than a day, and all that an unreadable manifest
    may need.
    """
    snapshot = scanned(address, None)
    answer = simulate_deref(snapshot, untagged=True, groups=groups)
    if tool is not None:
        print_script(answer.script(tool))
        return
    frame = untagged_frame(snapshot)
    frame = frame[frame["repo"].isin(groups)] if groups else frame
    out.answer(
        _Untagged(answer, frame),
        lambda: {"untagged": records(frame.set_index("repo")), **answer.to_dict()},
        rows=None,
    )


@click.command()
@address_argument
@click.argument("blob", shell_complete=completing.blobs)
@policy_option
@output_options("tag", "pin", "links")
def why(address: str, blob: str, policy: str | None, *, out: Output) -> None:
    """Show why a blob is still stored: what references it, and how.

    BLOB is a digest, the start of one, or a tag.
    """
    answer = why_of(scanned(address, policy), blob)
    out.answer(answer, answer.to_dict)


_BY = ("tag", "repo", "kind", "media_type", "platform", "month")


def _by_option(default: str) -> Decorator:
    return click.option(
        "--by",
        default=default,
        show_default=True,
        metavar="WHAT",
        shell_complete=completing.words(*_BY),
        help=f"{', '.join(_BY[:-1])} or {_BY[-1]}.",
    )


@click.command()
@address_argument
@_by_option("tag")
@policy_option
@click.option("--engine", type=click.Choice(["duckdb"]), help="Answer from a directory of scan -o DIR/, unloaded.")
@click.option("--memory", default="2GB", show_default=True, metavar="SIZE", help="The most that the engine uses.")
@output_options("group", "blobs", "closure", "exclusive", "shared", "split")
def usage(  # noqa: PLR0913 (one parameter an option)
    address: str, by: str, policy: str | None, *, engine: str | None, memory: str, out: Output
) -> None:
    """Show what uses the space: by tag, repository, kind or month.

    For each group: the bytes that it reaches, the bytes that only it uses, and its share of all bytes.
    """
    if engine:
        from blobkit.commands.engines import print_usage  # noqa: PLC0415 (it needs an extra)

        print_usage(address, by, policy, memory, out)
        return
    answer = usage_of(scanned(address, policy), by)
    out.answer(answer, answer.to_dict)


@click.command()
@address_argument
@_by_option("repo")
@policy_option
@output_options("groups", "blobs", "bytes")
def sharing(address: str, by: str, policy: str | None, *, out: Output) -> None:
    """Show how many bytes repositories or tags share.

    Bytes are counted by the exact set of groups that reach them.
    """
    answer = sharing_of(scanned(address, policy), by)
    out.answer(answer, answer.to_dict)


@click.command()
@address_argument
@click.argument("tool", shell_complete=completing.collectors)
@output_options("size", "kind")
def compare_gc(address: str, tool: str, *, out: Output) -> None:
    """Show what the garbage collector of a tool would delete.

    Also shows the deleted blobs that tags still need. TOOL is umoci, registry, registry-m (garbage-collect -m),
    docker-prune-a, podman-prune-a, hf, ...: an unknown one prints all.
    """
    answer = comparison_of(scanned(address, None), tool)
    out.answer(answer, answer.to_dict)


class _Untagged(Answer):
    """The untagged manifests, what needs them, and the bytes that dropping the others would free."""

    def __init__(self, preview: Preview, frame: pd.DataFrame) -> None:
        self.preview, self.frame = preview, frame

    def title(self) -> str:
        """Return the answer in one line."""
        return self.preview.title()

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the lines, and a row for each manifest."""
        table = frame_table(self.frame.drop(columns="modified"), rows=rows)
        return (Section("", tuple(self.preview.lines()), table),)
