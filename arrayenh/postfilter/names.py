"""Names of the post-filters and noise trackers: what a configuration may ask for."""

POSTFILTERS = ("mmse-lsa", "mmse-stsa", "wiener", "spectral-subtraction", "om-lsa")
NOISE_TRACKERS = ("spp", "minimum-statistics", "imcra")
MULTICHANNEL_POSTFILTERS = ("zelinski", "mccowan")
