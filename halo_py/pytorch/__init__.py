"""For programs that have PyTorch: modules as graphs (`halo_py.from_torch`), and a backend of `torch.compile`."""
