"""Arguments of users (names, groups, ages, sizes), made into values that answers work with."""
