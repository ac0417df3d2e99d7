"""What one channel can still gain after the beamformer."""
