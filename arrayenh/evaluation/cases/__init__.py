"""Cases of a benchmark: drawn scenes, data sets, folders of recordings."""
