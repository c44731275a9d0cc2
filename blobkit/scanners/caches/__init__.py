"""Read caches of models: directories of files with names, in which links share content."""
