"""Pictures of one family, a file each: layouts in points on a canvas."""
