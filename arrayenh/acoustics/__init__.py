"""How sound reaches a microphone array: steering vectors and noise fields."""
