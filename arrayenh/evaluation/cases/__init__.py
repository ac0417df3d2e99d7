"""What a benchmark runs on: drawn scenes, data sets, folders of recordings."""
