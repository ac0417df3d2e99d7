"""Post-filters: reduction of the residual noise after the beamformer."""
