"""Trained networks, run by onnxruntime, without torch, pickle or internet access."""
