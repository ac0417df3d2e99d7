"""Post-filters: what one channel can still gain behind the beamformer."""
