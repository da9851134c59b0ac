"""Full-size networks of published shapes with seeded weights, written with nothing but `onnx.helper`."""
