"""What a microphone array knows: steering, statistics, masks, beamformers."""
