"""The commands of the shell, one module for each topic. `blobkit.cli` collects them."""
