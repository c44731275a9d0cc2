"""Parts of the scanner of registries over HTTP: what is fetched, and how it becomes the facts of a snapshot."""
