"""The parts of the scanner of registries: what is where, and what the collector of docker-registry does with it."""
