"""The TFLite frontend: FlatBuffers of schema version 3, float and quantised, weights memory-mapped."""

from halo_frontends.tflite.reader import TfliteFrontend

__all__ = ["TfliteFrontend"]
