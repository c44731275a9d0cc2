"""A page of the explorer without a browser: it sends what the real one sends, and reads what comes back."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from blobkit.views.explorer.widget import Explorer

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

    Json = Any

VIEW = {
    "search": "",
    "sort": "alone",
    "up": False,
    "flat": False,
    "open": [],
    "older": None,
    "keep": None,
    "only": False,
}


def message(*acts: dict[str, object], seq: int = 1, ask: str = "page", **view: object) -> dict[str, Any]:
    """What a page sends."""
    picture = {"zoom": None, "pixels": 1000}
    rows = {"start": 0, "n": 27}
    return {
        "ask": ask,
        "seq": seq,
        "acts": list(acts),
        "view": VIEW | view,
        "rows": rows,
        "picture": picture,
        "plain": False,
    }


def wire(sent: object) -> Json:
    """A message as it comes out of JSON."""
    return json.loads(json.dumps(sent))


@dataclass
class FakePage:
    """A page of one explorer: `replies` are all that Python sent, to it or to others."""

    widget: Explorer
    ask: str = "page"
    seq: int = 0
    replies: list[tuple[dict[str, Any], list[bytes]]] = field(default_factory=list)

    @classmethod
    def of(cls, snapshot: Snapshot) -> FakePage:
        page = cls(Explorer(snapshot))
        page.widget.send = page.hear  # type: ignore[method-assign]
        return page

    def hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        self.replies.append((wire(content), list(buffers or ())))

    def send(self, sent: object) -> dict[str, Any]:
        """Send a message as it is; return the reply to it."""
        self.replies.clear()
        self.widget._asked(wire(sent))
        return next(content for content, _ in self.replies if "to" in content)

    def act(self, *acts: dict[str, object], zoom: object = None, **view: object) -> dict[str, Any]:
        """Do acts; return the reply."""
        self.seq += 1
        sent = message(*acts, seq=self.seq, ask=self.ask, **view)
        sent["picture"]["zoom"] = zoom
        return self.send(sent)

    @property
    def buffers(self) -> list[bytes]:
        return next(buffers for content, buffers in self.replies if "to" in content)

    def rows(self, reply: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of the last reply, as the page unpacks them."""
        plain = reply.get("plain")
        figures, flags, offsets, text = [base64.b64decode(one) for one in plain] if plain else self.buffers
        n = reply["rows"]["n"]
        columns = np.frombuffer(figures, np.float64).reshape(6, n)
        level, kind, bits = np.frombuffer(flags, np.uint8).reshape(3, n)
        at = np.frombuffer(offsets, np.uint32)
        names = ("label", "alone", "next", "closure", "modified", "number")
        return [
            dict(zip(names, columns[:, i].tolist(), strict=True))
            | {"name": text[at[i] : at[i + 1]].decode(), "level": int(level[i]), "kind": int(kind[i])}
            | {
                "on": bool(bits[i] & 1),
                "part": bool(bits[i] & 2),
                "opens": bool(bits[i] & 4),
                "open": bool(bits[i] & 8),
            }
            for i in range(n)
        ]

    def size(self, reply: dict[str, Any]) -> int:
        """The bytes that travel."""
        return len(json.dumps(reply, ensure_ascii=False).encode()) + sum(map(len, self.buffers))
