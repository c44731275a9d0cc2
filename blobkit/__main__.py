"""`python -m blobkit`: the command line where no script of that name is on the path."""

from blobkit.cli import main

main()
