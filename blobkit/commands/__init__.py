"""The commands of the shell, by what they do. `blobkit.cli` gathers them."""
