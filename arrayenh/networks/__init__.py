"""Trained networks, run by onnxruntime: no torch, no pickle, no network access."""
