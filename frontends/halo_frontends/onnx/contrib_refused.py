"""Operators of ONNX Runtime that are known and not supported, with the reason.

Which of them have a CPU kernel is what ONNX Runtime 1.32 says of itself (`get_all_opkernel_def`).
"""

from __future__ import annotations

from halo_frontends.onnx.contrib import REFUSED

_GENERATION = ("BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch")
_PACKED = (
    "DynamicSparseAttention", "MatMulPacked", "MoEPacked", "PackedAttention", "PackedMultiHeadAttention",
    "PackedSparseAttentionIndexer", "PackedSparseAttentionIndexerMerge", "PagedAttention", "RemovePadding",
    "RestorePadding", "SparseAttentionIndexer", "SparsePagedAttention",
)  # fmt: skip
_GPU_ONLY = (
    "ConvStateReplay", "DecoderAttention", "DecoderMaskedSelfAttention", "GatedDeltaNetStateReplay", "GemmFloat8",
    "GemmaRotaryEmbedding", "HyperConnectionLowRankMix", "Irfft", "LongformerAttention", "Mamba2Verify",
    "RMSNormRotary", "Rfft", "RouterGateUpProj", "SpeculativePrefixCommit", "SwiGLU",
)  # fmt: skip
_TRAINING = ("BiasDropout", "BitmaskBiasDropout", "BitmaskDropout", "IsAllFinite")
_SERVING = (
    "AttnLSTM", "BifurcationDetector", "DynamicTimeWarping", "GatedDeltaNet", "GatherPacked", "LinearAttention",
    "MurmurHash3", "NGramHashMapping", "SparseAttention", "Tokenizer", "VarlenCausalConvWithState",
    "VarlenNGramHashMapping", "WordConvEmbedding",
)  # fmt: skip
_COMPILED = ("EPContext", "Snpe")

for _names, _reason in (
    (_GENERATION, "it runs nested graphs until a text ends: run the decoder itself, step by step"),
    (_PACKED, "ONNX Runtime has it for GPUs only: sequences without their padding, or in pages"),
    (_GPU_ONLY, "ONNX Runtime has it for GPUs only"),
    (_TRAINING, "it belongs to training"),
    (_SERVING, "it has no form in ONNX's operators here"),
    (_COMPILED, "it holds a program for one vendor's accelerator"),
):
    REFUSED.update(dict.fromkeys(_names, _reason))
REFUSED["SparseToDenseMatMul"] = "sparse operands are not supported"
