"""Enhancement of sound as it comes: from pipes and from sound devices."""
