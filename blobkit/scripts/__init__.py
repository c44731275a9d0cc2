"""The commands that do what a preview showed, for each tool."""
