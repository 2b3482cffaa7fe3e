"""Trained policies outside of qflock: described as plain data, and run by NumPy, PyTorch or ONNX alone."""
