"""Speech masks: estimates of the time-frequency bins that contain speech."""
