"""Ops and small networks as ODLA calls: written in C by the writer of `--emit`, compiled, run, compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from halo_py.cli.emit import calls_of
from halo_py.errors import UnsupportedError
from halo_py.evaluate import evaluate_graph
from halo_py.ir.graph import Graph
from halo_py.ir.op import RuntimeValue
from halo_py.types import DType
from odla.calls.emit import RULES
from odla.calls.lower import lower
from tests.backends.test_cpu_export import sample_graph
from tests.models.onnx_runtime import Judge
from tests.odla_c.networks import NETWORKS
from tests.odla_c.sample_program import Sample, run_samples
from tests.ops.cases import Case, assert_close, cases, epsilon, magnitude

if TYPE_CHECKING:
    from numpy.typing import NDArray

BY_NAME = frozenset(
    [
        "adagrad",
        "adam",
        "affine_grid",
        "bernoulli",
        "bit_cast",
        "bitwise_and",
        "bitwise_not",
        "bitwise_or",
        "bitwise_xor",
        "col2im",
        "cum_prod",
        "deform_conv",
        "dft",
        "grid_sample",
        "label_encoder",
        "lp_pool",
        "max_roi_pool",
        "max_unpool",
        "mel_weight_matrix",
        "moe",
        "momentum",
        "multinomial",
        "one_hot_encoder",
        "optional_get_element",
        "optional_has_element",
        "pairwise_coupling",
        "random_normal_like",
        "random_uniform_like",
        "roi_align",
        "scatter_elements",
        "scatter_nd",
        "stft",
        "tf_idf_vectorizer",
        "tree_walk",
        "yolo_boxes",
    ]
)
"""Ops that only a call by name does (odla_CustomOp): our library knows them, another one may not."""

WITHOUT = frozenset(
    [
        "concat_from_sequence",
        "fused_map",
        "image_decoder",
        "non_max_suppression",
        "non_zero",
        "optional",
        "regex_full_match",
        "sequence_at",
        "sequence_construct",
        "sequence_empty",
        "sequence_erase",
        "sequence_insert",
        "sequence_length",
        "split_to_sequence",
        "string_concat",
        "string_normalizer",
        "string_split",
        "tree_ensemble",
        "tree_ensemble_regressor",
        "unique",
    ]
)
"""Ops without any form: results of unknown shape, strings, sequences, attributes that C has no literal for."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A sample that has a form, perhaps one by name."""

    case: Case
    graph: Graph
    inputs: list[RuntimeValue]
    custom: bool

    def sample(self) -> Sample:
        """Its calls and inputs."""
        arrays = tuple(np.asarray(array) for array in self.inputs)
        return Sample(lower(self.graph, custom=self.custom), arrays)


def _first_of_each() -> dict[str, _Chosen]:
    """Op -> its first sample that has a form; one without a call by name if there is any."""
    found: dict[str, _Chosen] = {}
    for custom in (False, True):
        for case in cases():
            if case.kind not in found:
                graph, inputs = sample_graph(case)
                try:
                    lower(graph, custom=custom)
                except UnsupportedError:
                    continue
                found[case.kind] = _Chosen(case, graph, inputs, custom)
    return found


def test_every_op_with_a_form_gives_the_values_of_reference(tmp_path: Path, library: Path) -> None:
    chosen = _first_of_each()

    results = run_samples([each.sample() for each in chosen.values()], tmp_path, library, "cpu")

    wrong: dict[str, str] = {}
    for each, found in zip(chosen.values(), results, strict=True):
        try:
            assert not isinstance(found, str), found
            for ours, expected in zip(found, evaluate_graph(each.graph, each.inputs), strict=True):
                array = np.asarray(expected)
                scale = 64 * each.case.sample.tolerance * epsilon(DType.from_numpy(array.dtype))
                assert_close(ours, array, scale, scale * magnitude([array]))
        except AssertionError as error:
            wrong[each.case.name] = str(error)[:300]
    assert not wrong
    assert {kind for kind, each in chosen.items() if each.custom} >= BY_NAME
    assert {case.kind for case in cases()} - set(chosen) == WITHOUT
    assert set(RULES) <= set(chosen)


@pytest.mark.parametrize("device", ["cpu", "ipu-1"])
def test_networks_give_the_values_of_onnx_runtime(device: str, tmp_path: Path, library: Path) -> None:
    samples: list[Sample] = []
    expected: list[dict[str, NDArray[Any]]] = []
    for make in NETWORKS:
        network = make()
        path = tmp_path / f"{make.__name__}.onnx"
        path.write_bytes(network.model.SerializeToString())
        calls = calls_of(path, {})
        samples.append(Sample(calls, tuple(network.inputs[value.name] for value in calls.inputs)))
        expected.append(Judge(path).run(network.inputs))

    results = run_samples(samples, tmp_path, library, device)

    for make, sample, found, judged in zip(NETWORKS, samples, results, expected, strict=True):
        assert not isinstance(found, str), f"{make.__name__}: {found}"
        assert sample.calls.output_names == tuple(judged)
        for array, (name, wanted) in zip(found, judged.items(), strict=True):
            scale = 64 * epsilon(DType.from_numpy(wanted.dtype))
            assert_close(array, wanted, scale, scale * magnitude([wanted]))
            assert wanted.size, name
