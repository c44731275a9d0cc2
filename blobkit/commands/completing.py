"""Completion by the TAB key: paths, names and digests in a store, policies, tools, columns.

Completion never prints an error: a store that cannot be read within two seconds of CPU time offers nothing.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

from blobkit.digest import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import click

    from blobkit.snapshot.records import Kind
    from blobkit.snapshot.snapshot import Snapshot

    Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

__all__ = [
    "addresses",
    "blobs",
    "collectors",
    "join_words_of_bash",
    "paths",
    "policies",
    "repositories",
    "tools",
    "words",
]

SECONDS = 2.0
MOST = 200
"""The most names that are offered; more would not help."""


def paths(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer files and directories; the shell completes them itself."""
    return [CompletionItem(incomplete, type="file")]


def addresses(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer files and directories; if the start of an address on another machine is typed, its schemes with them.

    The shell does not complete files beside words, so that those of the working directory are then words, too.
    """
    from blobkit.addresses import SCHEMES  # noqa: PLC0415 (what is not asked for is not loaded)

    schemes = _starting(SCHEMES, incomplete) if incomplete else []
    return [*_starting(_here(), incomplete), *schemes] if schemes else paths(ctx, param, incomplete)


def _here() -> list[str]:
    """Return the names in the working directory, those of directories with a slash."""
    try:
        with os.scandir() as entries:
            return sorted(f"{entry.name}{'/' * entry.is_dir()}" for entry in entries)
    except OSError:
        return []


def words(*known: str) -> Complete:
    """Return a completion that offers these words."""

    def offer(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _starting(known, incomplete)

    return offer


def _of_kinds(names: Callable[[Kind], Iterable[str]]) -> Complete:
    """Return a completion that offers these names of the store's kind, or of all kinds if the store is not known."""

    def offer(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        with _in_time():
            return _starting([name for kind in _kinds(ctx) for name in names(kind)], incomplete)
        return []

    return offer


policies = _of_kinds(lambda kind: [policy.name for policy in kind.policies])
"""Offer the policies of the store."""
tools = _of_kinds(lambda kind: kind.tools)
"""Offer the tools that drop references in the store."""
collectors = _of_kinds(lambda kind: [tool.name for tool in kind.collectors])
"""Offer the tools that collect garbage in the store."""


def repositories(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the repositories of the store."""
    read = _reader()
    with _in_time():
        groups = read(_local(ctx), progress=False).pins["group"].to_pylist()
        return _starting(sorted({group for group in groups if group}), incomplete)
    return []


def blobs(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the tags of the store, or its digests and other keys if the start of one is typed."""
    read = _reader()
    with _in_time():
        snapshot = read(_local(ctx), progress=False)
        known = [] if incomplete.partition(":")[0] in ALGORITHMS else snapshot.pins["name"].to_pylist()
        found = _starting((name for name in known if name), incomplete)
        return found or _starting(_keys(snapshot, incomplete), incomplete)
    return []


def _keys(snapshot: Snapshot, incomplete: str) -> list[str]:
    """Return the keys of blobs, if the start of one is typed."""
    return snapshot.nodes["key"].to_pylist() if incomplete else []


class _Bash(BashComplete):
    """Completion in bash, where a colon is a separate word: `shop/web:1.0` is three words.

    After a slash no space is added: more of an address or path follows.
    """

    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)", "COMPREPLY+=($value); [[ $value != */ ]] || compopt -o nospace"
    )

    before = ""
    """The part of the word up to its last colon, which bash keeps unchanged."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the typed one, as the shell passes them to a command."""
        words = split_arg_string(os.environ["COMP_WORDS"])[: int(os.environ["COMP_CWORD"]) + 1]
        typed = words[int(os.environ["COMP_CWORD"]) :] or [""]
        *args, incomplete = _joined([*words[: int(os.environ["COMP_CWORD"])], *typed])
        self.before = incomplete[: incomplete.rfind(":") + 1]
        return args[1:], incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Return a completion without the part that bash keeps."""
        value = item.value.removeprefix(self.before)
        return f"{item.type},{value}"


def join_words_of_bash() -> None:
    """Complete words with colons in bash."""
    add_completion_class(_Bash)


def _joined(words: Sequence[str]) -> list[str]:
    """Return the words, with those around a colon joined again."""
    found: list[str] = []
    glue = False
    for word in words:
        if found and (glue or word == ":"):
            found[-1] += word
        else:
            found.append(word)
        glue = word == ":"
    return found


def _starting(known: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the words that begin so, each once, in order, without those that cannot be typed in one line."""
    found = dict.fromkeys(name for name in known if name.startswith(incomplete) and name.isprintable())
    return [CompletionItem(name) for name in list(found)[:MOST]]


def _reader() -> Callable[..., Snapshot]:
    """Return the function that reads a store; its modules are loaded before the time starts."""
    from blobkit.connect import facts  # noqa: PLC0415 (what is not asked for is not loaded)
    from blobkit.snapshot.frameless import hide_pandas  # noqa: PLC0415

    hide_pandas()
    return facts


def _kinds(ctx: click.Context) -> list[Kind]:
    """Return the kind of the given store, or all kinds."""
    from blobkit.addresses import parse, recognise, remote  # noqa: PLC0415
    from blobkit.snapshot.kinds import STORES, store_of  # noqa: PLC0415

    if address := _address(ctx):
        if there := remote(address):
            return [store_of(there.kind, there.address)]
        kind, path = parse(address)
        name = kind or recognise(path)
        if name in STORES:
            return [STORES[name]]
    return list(STORES.values())


def _address(ctx: click.Context) -> str:
    given = ctx.params.get("address") or ctx.params.get("store") or next(iter(ctx.args), "")
    address = str(given)
    return os.path.expanduser(address)  # noqa: PTH111 (the shell has not expanded it)


def _local(ctx: click.Context) -> str:
    """Return the given address; OSError for a store on another machine, which a TAB does not ask."""
    from blobkit.addresses import remote  # noqa: PLC0415

    address = _address(ctx)
    if remote(address):
        raise OSError(address)
    return address


@contextmanager
def _in_time() -> Iterator[None]:
    """Leave the block silently if it fails or takes too long."""

    def over(_signal: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    except Exception:  # noqa: BLE001, S110 (a message would end up amid the line that is typed)
        pass
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
