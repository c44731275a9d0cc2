"""Read OCI and docker documents; no other folder parses them."""
