"""The CPU backend: ONNX Runtime, with the NumPy meaning of ops for what it lacks."""
