"""Readers of model files: one package per format, no framework imported."""
