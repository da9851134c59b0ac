"""The TensorFlow frontend: frozen graphs and SavedModel folders, without TensorFlow."""

from halo_frontends.tensorflow.reader import TensorflowFrontend

__all__ = ["TensorflowFrontend"]
