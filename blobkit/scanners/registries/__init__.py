"""Parts of the registry scanner: the files of the storage, and how the collector of docker-registry reads them."""
