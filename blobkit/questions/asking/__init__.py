"""What a user hands over, made into what the answers work with: names, groups, ages, sizes."""
