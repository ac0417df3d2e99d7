"""Statistics of spectra: covariances, relative transfer functions, noise PSD."""
