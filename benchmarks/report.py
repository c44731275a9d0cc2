"""A report about a million blobs: how long each chapter takes, and how large the page and its pictures are.

    python benchmarks/report.py [--quick] [SNAPSHOT]

The targets are 60 s and 500 kB, 300 kB of them pictures. Seconds are CPU time, that of the solver's process included,
from a snapshot in memory; kernels are compiled before, on a small one. `--quick`: a hundredth of the size. SNAPSHOT: an
address.
"""

from __future__ import annotations

import os
import sys

from synthetic import image_store

import blobkit
from blobkit.questions.inputs.ages import parse_age
from blobkit.views.report.asked import Asked, attempted
from blobkit.views.report.chapters import CHAPTERS
from blobkit.views.report.page import page
from blobkit.views.report.report import report_of

SECONDS, BYTES, PICTURES = 60.0, 500_000, 300_000


def spent() -> float:
    return sum(os.times()[:4])


def main() -> None:
    given = [word for word in sys.argv[1:] if not word.startswith("-")]
    scale = 100 if "--quick" in sys.argv else 1
    snapshot = blobkit.scan(given[0]) if given else image_store(330_000 // scale, 10_000 // scale, 330_000 // scale)
    report_of(image_store(300, 10, 300), progress=False)
    print(f"{snapshot.blobs:,} blobs, {snapshot.links.num_rows:,} links; targets {SECONDS:.0f} s, {BYTES:,} bytes")
    asked = Asked(snapshot, "ADDRESS", parse_age("24h"))
    chapters, first = [], spent()
    for title, make in CHAPTERS.items():
        start = spent()
        chapters.append(attempted(title, lambda make=make: make(asked)))
        drawn = chapters[-1].picture
        print(f"{title:<44} {spent() - start:>6.1f} s {len(drawn.svg) if drawn else 0:>9,} bytes of SVG")
    whole = len(page("report", chapters).encode())
    pictures = sum(len(one.picture.svg) for one in chapters if one.picture)
    print(f"{'all':<44} {spent() - first:>6.1f} s {whole:>9,} bytes, {pictures:,} of them SVG")


if __name__ == "__main__":
    main()
