"""Hold the records of the kinds of stores, one file each; `blobkit.snapshot.kinds` collects them."""
