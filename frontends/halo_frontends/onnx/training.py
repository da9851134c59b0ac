"""Operators of ONNX's training domain that are expanded while importing (its optimizers are declared as ops)."""

from __future__ import annotations

from halo_frontends.onnx.domains import Domain
from halo_py.ops.training import TRAINING_DOMAIN

TRAINING = Domain(TRAINING_DOMAIN, ("training_gradient",))

expands = TRAINING.expands
