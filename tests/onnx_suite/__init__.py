"""ONNX's backend suite on our devices."""
