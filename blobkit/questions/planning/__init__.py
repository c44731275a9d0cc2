"""What a plan may drop, what it cannot know, and whether its promise was kept."""
