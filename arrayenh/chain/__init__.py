"""The enhancement chain: from a multi-channel recording to enhanced speech."""
