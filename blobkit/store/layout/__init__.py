"""The OCI image layout that a store is at the same time: what it shows there, and what others write there."""
