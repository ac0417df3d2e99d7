"""What is estimated from spectra: covariances, transfer functions, noise."""
