"""Read the parts of a containers-storage root: its lists of records, the families of images, the bytes of trees."""
