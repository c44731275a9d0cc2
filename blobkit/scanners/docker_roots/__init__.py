"""Parts of the scanner of docker's data root: what its records say, and what its files weigh."""
