"""Models of sound at a microphone array: steering vectors and noise fields."""
