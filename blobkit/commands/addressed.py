"""The argument ADDRESS of the commands, and the options for a store on another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blobkit.commands import completing

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["address_argument", "remote_options", "storage_options"]

_REMOTE = "blobkit.storage_options"


def _keep_options(context: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> None:
    """Keep the options for a store on another machine; UsageError if one is no NAME=VALUE."""
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            msg = f"-O {one!r} is not NAME=VALUE"
            raise click.UsageError(msg, context)
        context.meta.setdefault(_REMOTE, {})[name.replace("-", "_")] = value


def _keep_repositories(context: click.Context, _param: click.Parameter, given: str | None) -> None:
    """Keep the names of repositories in a file, one a line."""
    if given is not None:
        text = Path(given).read_text("utf-8")
        lines = [line.strip() for line in text.splitlines()]
        context.meta.setdefault(_REMOTE, {})["repositories"] = [line for line in lines if line and line[0] != "#"]


def address_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the address of a store, and the options for one on another machine."""
    added: Callable[..., Any] = remote_options()(
        click.argument("address", shell_complete=completing.addresses)(command)
    )
    return added


def remote_options(where: str = "") -> Callable[..., Any]:
    """Return what adds the options for stores on other machines; `where`: which of a command's stores take them."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for one in _options(where):
            command = one(command)
        return command

    return add


def _options(where: str) -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "-O",
            "--storage-option",
            multiple=True,
            metavar="NAME=VALUE",
            expose_value=False,
            callback=_keep_options,
            help=f"An option for a registry over HTTP or a bucket, such as at_once=32 (see README.md){where}.",
        ),
        click.option(
            "--repositories",
            metavar="FILE",
            expose_value=False,
            callback=_keep_repositories,
            shell_complete=completing.paths,
            help=f"The repositories of a registry over HTTP, one a line, if it does not list them{where}.",
        ),
    )


def storage_options() -> dict[str, object]:
    """Return the options for a store on another machine that the command line gives."""
    found: dict[str, object] = click.get_current_context().meta.get(_REMOTE, {})
    return found
