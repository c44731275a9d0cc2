"""Words that the TAB key offers: paths, the names and digests in a store, policies, tools, columns.

It answers or is silent: a store that cannot be read, or not within a second, offers nothing.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from blobkit.digest import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import click

    from blobkit.snapshot.records import Kind
    from blobkit.snapshot.snapshot import Snapshot

    Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

__all__ = ["blobs", "collectors", "paths", "policies", "repositories", "tools", "words"]

SECONDS = 1.0
MOST = 200
"""Names that are offered; more are no help."""


def paths(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer files and directories, which the shell itself knows best."""
    return [CompletionItem(incomplete, type="file")]


def words(*known: str) -> Complete:
    """Return a completion that offers these words."""

    def offer(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _starting(known, incomplete)

    return offer


def policies(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the policies of the store, or all where it is not known yet."""
    with _in_time():
        return _starting([policy.name for kind in _kinds(ctx) for policy in kind.policies], incomplete)
    return []


def tools(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the tools that drop references in the store."""
    with _in_time():
        return _starting([tool for kind in _kinds(ctx) for tool in kind.tools], incomplete)
    return []


def collectors(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the tools that collect garbage in the store."""
    with _in_time():
        return _starting([tool.name for kind in _kinds(ctx) for tool in kind.collectors], incomplete)
    return []


def repositories(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the repositories of the store."""
    with _in_time():
        groups = _snapshot(ctx).pins["group"].to_pylist()
        return _starting(sorted({group for group in groups if group}), incomplete)
    return []


def blobs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the tags of the store, or its digests where the beginning of one is typed.

    bash takes a colon for the end of a word: what stands before it are words of their own, and only what comes after
    it is offered.
    """
    before = _before_colon(ctx, param, incomplete)
    typed = before + ("" if incomplete == ":" else incomplete)
    with _in_time():
        snapshot = _snapshot(ctx)
        is_digest = typed.partition(":")[0] in ALGORITHMS
        known = snapshot.nodes["key"] if is_digest else snapshot.pins["name"]
        found = _starting((name for name in known.to_pylist() if name), typed)
        return [CompletionItem(item.value.removeprefix(before)) for item in found]
    return []


def _before_colon(ctx: click.Context, param: click.Parameter, incomplete: str) -> str:
    """Return what bash has cut off before a colon: `shop/web:` of the words `shop/web`, `:` and `1.0`."""
    if os.environ.get("_BLOBKIT_COMPLETE") != "bash_complete":
        return ""
    typed = ctx.params.get(str(param.name)) or ()
    before = [typed] if isinstance(typed, str) else list(typed)
    if incomplete == ":":
        return f"{before[-1]}:" if before else ""
    return f"{before[-2]}:" if before[-1:] == [":"] and len(before) > 1 else ""


def _starting(known: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return what begins so, each once, in order; what cannot be typed in one line is left out."""
    found = dict.fromkeys(name for name in known if name.startswith(incomplete) and name.isprintable())
    return [CompletionItem(name) for name in list(found)[:MOST]]


def _snapshot(ctx: click.Context) -> Snapshot:
    from blobkit.connect import facts  # noqa: PLC0415 (what is not asked for is not loaded)
    from blobkit.snapshot.frameless import leave_pandas_out  # noqa: PLC0415

    leave_pandas_out()
    return facts(_address(ctx), progress=False)


def _kinds(ctx: click.Context) -> list[Kind]:
    """Return the kind of the store that is named, or all kinds."""
    from blobkit.addresses import parse, recognise  # noqa: PLC0415
    from blobkit.snapshot.kinds import STORES  # noqa: PLC0415

    if address := _address(ctx):
        kind, path = parse(address)
        name = kind or recognise(path)
        if name in STORES:
            return [STORES[name]]
    return list(STORES.values())


def _address(ctx: click.Context) -> str:
    address = str(ctx.params.get("address") or ctx.params.get("store") or "")
    return os.path.expanduser(address)  # noqa: PTH111 (the shell has not expanded it)


@contextmanager
def _in_time() -> Iterator[None]:
    """Leave the block without a word where it fails or takes too long."""

    def over(_signal: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    except Exception:  # noqa: BLE001, S110 (a message would end up amid the line that is typed)
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
