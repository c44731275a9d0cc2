"""Count the shapes that random examples have: few examples prove as much as many while each hard shape is there."""

from __future__ import annotations

from collections import Counter


class Shapes(Counter[str]):
    """How many examples had each shape."""

    def see(self, **shapes: object) -> None:
        """Count the shapes that an example has."""
        self.update({name: bool(there) for name, there in shapes.items()})

    def check(self, least: int = 1) -> None:
        """Fail where a shape was seen fewer times."""
        assert self
        assert min(self.values()) >= least, dict(self)
