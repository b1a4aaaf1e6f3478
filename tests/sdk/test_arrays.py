"""numpy arrays, where numpy is installed; it is never imported on its own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tidemill
from tidemill import DefinitionError, Worker
from tidemill.core.values import INLINE_LIMIT_BYTES, Encoding, Given, Inline
from tidemill.sdk.errors import DoesNotFitError
from tidemill.sdk.plans import plan_of
from tidemill.testing.local import local

np = pytest.importorskip("numpy", reason="numpy is not installed")
from hypothesis.extra import numpy as npst  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

DTYPES = (
    npst.boolean_dtypes() | npst.integer_dtypes(endianness="?")
    | npst.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | npst.complex_number_dtypes(endianness="?", sizes=(64, 128)) | npst.unicode_string_dtypes(endianness="?")
    | npst.byte_string_dtypes() | npst.datetime64_dtypes(endianness="?") | npst.timedelta64_dtypes(endianness="?")
)  # fmt: skip
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, min_side=0, max_side=4)).flatmap(
    lambda array: st.sampled_from([array, array.T, np.asfortranarray(array), array[..., ::-1] if array.ndim else array])
)


def same(one: Any, other: Any) -> None:
    assert one.dtype.str == other.dtype.str
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()


@pytest.mark.feature("B1")
@given(ARRAYS)
def test_an_array_comes_back_as_it_was(array: Any) -> None:
    plan = plan_of(np.ndarray)
    plain = plan.plain(array)
    jsonschema_rs.validate(plan.schema, plain)
    encoded = plan.encode(array)
    for value in (encoded.inline, Inline(msgspec.json.encode(plain), Encoding.JSON)):
        found = plan.decode(Given(value))
        same(found, array)
        assert type(found) is np.ndarray
        assert found.flags.writeable
        assert found.flags.c_contiguous or array.flags.f_contiguous
    assert plan.encode(array.copy(order="K")).data == encoded.data


@dataclass
class Frame:
    pixels: NDArray[np.uint8]
    depth: NDArray[np.floating[Any]] | None = None


def test_the_elements_are_those_of_the_signature() -> None:
    frame = Frame(np.zeros((2, 3), np.uint8), np.ones(2, ">f2"))
    found = plan_of(list[Frame]).decode(Given(plan_of(list[Frame]).encode([frame]).inline))
    same(found[0].pixels, frame.pixels)
    same(found[0].depth, frame.depth)
    for wrong, said in (
        (Frame(np.zeros(2, np.int8)), r"Expected an array of uint8, got int8 \(at \$\.pixels\)"),
        (Frame(np.zeros(2, np.uint8), np.zeros(2, int)), "Expected an array of floating, got int64"),
    ):
        with pytest.raises(DoesNotFitError, match=said):
            plan_of(Frame).encode(wrong)
    assert plan_of(NDArray[np.float32]).schema["title"] == "ndarray[float32]"


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.zeros(2, [("a", "i4")]),
        np.zeros(2, np.longdouble),
        np.ma.masked_array([1, 2], [True, False]),
    ],
)
def test_an_array_that_is_no_plain_bytes_is_refused(array: Any) -> None:
    with pytest.raises(DoesNotFitError, match="cannot be sent; use"):
        plan_of(np.ndarray).encode(array)


def test_an_array_of_objects_is_refused_when_declared() -> None:
    def save(xs: NDArray[np.object_]) -> None: ...

    with pytest.raises(
        DefinitionError, match=r"task w\.save: parameter xs: an array of object_ cannot be sent; use one"
    ):
        Worker("w").task(save)


def test_numpy_where_none_is_declared_is_told_what_to_do() -> None:
    for kind, value in ((Any, np.zeros(2)), (float, np.float32(1)), (list[int], [np.int64(1)])):
        with pytest.raises(DoesNotFitError, match=r"annotate it, or use \.tolist\(\)"):
            plan_of(kind).encode(value)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ([1, 2], "an object with the key '\\$array'"),
        ({"$array": "O", "shape": [1], "data": "AA=="}, "numbers, texts or dates, not of 'O'"),
        ({"$array": "<f4", "shape": [2], "data": "AAAA"}, "Expected 2 elements of <f4, got 3 bytes"),
        ({"$array": "<f4", "shape": [-1], "data": ""}, "its shape, a list of lengths"),
        ({"$array": "<f4", "shape": [2**40, 2**40], "data": ""}, "Expected 1208925819614629174706176 elements"),
        ({"$array": "<f4", "shape": [0], "order": "K", "data": ""}, "the order C or F"),
        ({"$array": "<f4", "shape": [1], "data": "!"}, "in base64"),
        ({"$array": "<f4", "shape": [1]}, "with its data"),
        ({"$array": "|V8", "shape": [1], "data": ""}, "not of '|V8'"),
    ],
)
def test_what_is_no_array_is_refused(form: Any, said: str) -> None:
    with pytest.raises(DoesNotFitError, match=said.replace("|", r"\|")):
        plan_of(np.ndarray).decode(Given(Inline(msgspec.json.encode(form), Encoding.JSON)))


def test_a_large_array_goes_by_blob_and_comes_back() -> None:
    worker = Worker("w")

    @worker.task
    def double(xs: NDArray[np.float64]) -> NDArray[np.float64]:
        xs *= 2
        return xs

    given_array = np.arange(50_000, dtype=np.float64).reshape(100, 500)
    assert given_array.nbytes > INLINE_LIMIT_BYTES
    with local(worker) as client:
        same(client.submit(double, given_array).result(), given_array * 2)


def test_numpy_and_pydantic_are_not_imported_for_other_types() -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(tidemill.__file__).parent.parent)!r})\n"
    code += "from tidemill import Client, Codec, Directory, Worker\n"
    code += "w = Worker('w')\n@w.task\ndef f(a: int) -> list[str]: ...\nw.definitions()\n"
    code += "assert not {'numpy', 'pydantic'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
