"""Libraries that crash, hang, print, lie or are none: an error names library, function, node and op, and we live on."""

from __future__ import annotations

from pathlib import Path

import pytest

import odla
from halo_py.errors import DeviceError, TargetError, UsageError
from tests.cli.command import run as command
from tests.odla_native.graphs import X, perceptron, run
from tests.odla_native.libraries import library, tiny, tiny_with

_RELU = "odla_value odla_Relu(odla_value x, const odla_value_id id) { (void)x; (void)id;"
_SOFTMAX = """
odla_value tiny_Softmax(odla_value, odla_int32, odla_value_id);
odla_value odla_Softmax(odla_value x, odla_int32 axis, const odla_value_id id) {"""

DEADLY = {
    "a null pointer": ("c", "Relu", _RELU + " volatile int* p = NULL; *p = 1; return x; }", "crashed (SIGSEGV)"),
    "abort": ("c", "Relu", _RELU + " abort(); }", "crashed (SIGABRT)"),
    "exit": ("c", "Relu", _RELU + " exit(3); }", "ended the process (exit code 3)"),
    "an exception": ("cc", "Relu", _RELU + ' throw "no ReLU today"; }', "crashed (SIGABRT)"),
    "no return": ("c", "Relu", _RELU + " for (;;) pause(); }", "did not return within 1 seconds"),
}


@pytest.mark.parametrize("how", DEADLY)
def test_the_node_and_function_at_which_a_library_dies_are_named(how: str, tmp_path: Path) -> None:
    language, replaced, source, said = DEADLY[how]
    path = tiny_with(tmp_path, source, f"odla_{replaced}", language=language)

    with pytest.raises(DeviceError) as caught:
        run(perceptron(), path, seconds=1)

    assert f"{path}: odla_Relu {said}" in caught.value.message
    assert (caught.value.where.node, caught.value.where.op) == ("relu", "Relu")
    assert "exclude" in str(caught.value.hint)
    run(perceptron(), path, seconds=1, exclude="odla_Relu")


def test_a_crash_in_a_run_is_traced_to_its_node_and_the_next_run_begins_anew(tmp_path: Path) -> None:
    path = tiny_with(tmp_path, _SOFTMAX + " return tiny_Softmax(x, axis + (1 << 28), id); }", "odla_Softmax")
    executable = odla.compile_for(perceptron(), f"odla:{path}")

    for _ in range(2):
        with pytest.raises(DeviceError, match=r"odla_ExecuteComputation crashed \(SIG\w+\) when it ran") as caught:
            executable.run([X])
        assert (caught.value.where.node, caught.value.where.op) == ("probabilities", "Softmax")


def test_what_a_library_prints_disturbs_nothing_and_is_told_with_its_crash(tmp_path: Path) -> None:
    noise = 'for (int i = 0; i < 3000; ++i) printf("garbage {\\"answers\\": []}\\n"); fflush(stdout);'
    fine = tiny_with(tmp_path, _SOFTMAX + noise + " return tiny_Softmax(x, axis, id); }", "odla_Softmax")
    assert not run(perceptron(), fine).fallbacks

    dying = tiny_with(tmp_path, _RELU + 'fprintf(stderr, "out of \\033[1mflux\\n"); abort(); }', "odla_Relu")
    with pytest.raises(DeviceError) as caught:
        run(perceptron(), dying)
    assert caught.value.message.endswith("the library printed: out of ?[1mflux")


LIES = {
    "nothing": ("(void)c; (void)x; (void)m; (void)d; return ODLA_SUCCESS;", "it did not write output 'y'"),
    "too much": (
        "odla_status s = tiny_ExecuteComputation(c, x, m, d); if (out) memset(out, 0, 1024); return s;",
        "it wrote beyond the",
    ),
    "no memory": ("(void)c; (void)x; (void)m; (void)d; return ODLA_MEM_ERROR;", "answered status 4 (ODLA_MEM_ERROR)"),
}


@pytest.mark.parametrize("what", LIES)
def test_runs_that_write_nothing_or_too_much_or_fail_are_errors(what: str, tmp_path: Path) -> None:
    body, said = LIES[what]
    source = f"""
    static void* out;
    odla_status tiny_BindToOutput(odla_value, void*, odla_context);
    odla_status tiny_ExecuteComputation(odla_computation, odla_context, odla_compute_mode, odla_device);
    odla_status odla_BindToOutput(odla_value v, void* data, odla_context c) {{
      out = data;
      return tiny_BindToOutput(v, data, c);
    }}
    odla_status odla_ExecuteComputation(odla_computation c, odla_context x, odla_compute_mode m, odla_device d) {{
      {body}
    }}"""
    path = tiny_with(tmp_path, source, "odla_BindToOutput", "odla_ExecuteComputation")

    with pytest.raises(DeviceError) as caught:
        run(perceptron(), path)
    assert said in str(caught.value)


def test_files_that_are_no_odla_libraries_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("not a library")
    none = library(tmp_path, "int other(void); int other(void) { return 1; }")
    cases = {
        text: (DeviceError, "cannot be loaded"),
        none: (DeviceError, "exports no function of ODLA, too few to run a computation"),
        tmp_path / "absent.so": (TargetError, "there is no file"),
    }
    for path, (error, said) in cases.items():
        with pytest.raises(error) as caught:
            run(perceptron(), path)
        assert said in str(caught.value)


def test_a_symbol_that_nothing_defines_is_named(tmp_path: Path) -> None:
    source = _RELU + " extern odla_value vendor_relu(odla_value); return vendor_relu(x); }"
    path = tiny_with(tmp_path, source, "odla_Relu")

    with pytest.raises(DeviceError, match=r"cannot be loaded: .*undefined symbol: vendor_relu"):
        run(perceptron(), path)


def test_a_library_that_dies_while_it_is_loaded(tmp_path: Path) -> None:
    path = tiny_with(tmp_path, "__attribute__((constructor)) static void begin(void) { abort(); }")

    with pytest.raises(DeviceError, match=r"dlopen crashed \(SIGABRT\)"):
        run(perceptron(), path)


def test_options_are_checked(tmp_path: Path) -> None:
    path = tiny(tmp_path)
    for options in ({"seconds": "soon"}, {"seconds": -1}, {"exclude": "odla_Everything"}, {"threads": 2}):
        with pytest.raises(UsageError, match=next(iter(options))):
            run(perceptron(), path, **options)


def test_the_command_says_what_runs_on_the_cpu_and_how_a_library_failed(tmp_path: Path) -> None:
    digits = Path(__file__).parents[2] / "examples" / "digits.onnx"
    path = tiny(tmp_path)
    ran = command("halo", "run", digits, "--device", f"odla:{path}", folder=tmp_path)

    assert ran.code == 0, ran.err
    assert "nodes that run on the host" in ran.out
    assert "the library has no odla_MaxPool" in ran.out

    dying = tiny_with(tmp_path, _RELU + " abort(); }", "odla_Relu")
    failed = command("halo", "run", digits, "--device", f"odla:{dying}", folder=tmp_path)
    assert failed.code == 10
    assert "op Relu" in failed.err
    assert "odla_Relu crashed (SIGABRT)" in failed.err
