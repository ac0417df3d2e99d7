"""Speech masks: in which time-frequency bins the talker is heard."""
