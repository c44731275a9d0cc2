"""The meaning of OCI and docker documents: the one place that reads them."""
