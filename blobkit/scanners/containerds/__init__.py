"""Parts of the scanner of containerd's root directory: its databases, the labels of its collector, its snapshots."""
