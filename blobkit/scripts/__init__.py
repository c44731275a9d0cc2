"""Write shell scripts that carry out a preview, one file for each kind of store."""
