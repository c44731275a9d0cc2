"""Read the lists of all manifests that vendors' own APIs give, untagged ones too: one file for each vendor.

`table.py` finds the adapter for a registry. Each was tried against a server that answers as the vendor's documents say,
none against the vendor itself.
"""
