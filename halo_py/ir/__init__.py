"""The intermediate representation: typed SSA graphs with ONNX meaning."""
