"""Check that a store is what it says: find every kind of damage, repair without deleting, rebuild a broken index."""
