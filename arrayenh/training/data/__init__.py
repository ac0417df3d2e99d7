"""Training data: rendered scenes with random mixing and augmentation, and folders of pairs."""
