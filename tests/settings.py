"""Settings of the chain without networks, which have tests of their own."""

from arrayenh.chain.settings import Settings


def statistical(**settings):
    """Masks of the mixture model and MMSE-LSA, where nothing else is asked for."""
    return Settings(**({"masks": "cacgmm", "postfilter": "mmse-lsa"} | settings))
