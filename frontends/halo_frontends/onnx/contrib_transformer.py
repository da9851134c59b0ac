"""Transformer operators of `com.microsoft`, in terms of ONNX's own."""

from __future__ import annotations
