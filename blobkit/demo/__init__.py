"""Example stores, the same every time: for the demo, the notebooks, the examples in docstrings, and first steps.

    demo.small()       a store in memory, fast to create: used by the examples in docstrings
    demo.images()      a blobkit store in a directory
    demo.layout()      an OCI image layout with images of half a year
    demo.registry()    a registry's storage directory
    demo.two_days()    a layout on Tuesday, and saved snapshots of Monday and Tuesday
    demo.hub()         a cache of the Hugging Face hub (other content: models and data sets)

These have the same images: shared base layers, versions, two platforms, two names for one image. With `unit=1` layers
are a thousandth of the size. The notebooks look at a larger registry, of the size of real ones, as it was in June 2026:

    demo.shop()        its saved snapshot
    demo.three_days()  saved snapshots of three days

Each function takes the directory to make; without one it makes a temporary directory, which is removed when Python
ends. `demo.place()` is such a directory for a store of your own.
"""

from blobkit.demo.days import ThreeDays, shop, three_days
from blobkit.demo.hub import hub
from blobkit.demo.images import COMPANION, TARGET, fill
from blobkit.demo.places import place
from blobkit.demo.stores import TwoDays, images, layout, registry, small, two_days

__all__ = [
    "COMPANION",
    "TARGET",
    "ThreeDays",
    "TwoDays",
    "fill",
    "hub",
    "images",
    "layout",
    "place",
    "registry",
    "shop",
    "small",
    "three_days",
    "two_days",
]
