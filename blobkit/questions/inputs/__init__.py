"""Parse the arguments of users: names, groups, ages, sizes."""
