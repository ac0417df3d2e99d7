"""What networks are trained on: rendered scenes, mixed and spoiled anew, and folders of pairs."""
