"""Number types against torch, which defines them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loanword.embeddings.dtypes import DTYPES, decode, dtype_named, encode, has_non_finite
from loanword.embeddings.errors import UnknownName

FLOATS = st.one_of(
    st.floats(width=64),
    st.floats(width=32),
    st.floats(width=16),
    st.sampled_from([0.0, -0.0, 1e-45, 448.0, 464.0, 465.0, 57344.0, 61440.0, 65504.0, 65520.0, 3.3895314e38]),
)


def torch_bytes(tensor, torch):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_byte_pattern_decodes_as_torch_decodes_it(dtype):
    torch = pytest.importorskip("torch")
    size = DTYPES[dtype].itemsize
    data = np.arange(65536, dtype="<u2").tobytes() if size <= 2 else np.random.default_rng(0).bytes(size * 4096)
    expected = torch.frombuffer(bytearray(data), dtype=getattr(torch, dtype)).double().numpy()
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(decode(data, dtype).astype(np.float64), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@given(numbers=st.lists(FLOATS, min_size=1, max_size=20))
def test_encoding_rounds_once_to_nearest(dtype, numbers):
    """Held to exact arithmetic: no other value of the type is nearer."""
    array = np.array(numbers, dtype=np.float64)
    back = decode(encode(array, dtype), dtype).astype(np.float64)
    for number, found in zip(array, back, strict=True):
        if np.isnan(number):
            assert np.isnan(found)
        elif np.isfinite(found):
            assert np.sign(found) in (0, np.sign(number))
            for other in neighbours(found, dtype):
                if np.isfinite(other):
                    assert abs(found - number) <= abs(other - number)


def neighbours(value, dtype):
    code = np.frombuffer(encode(np.array([value]), dtype), dtype=f"<u{DTYPES[dtype].itemsize}")[0]
    magnitude = int(code) & ~(1 << (8 * DTYPES[dtype].itemsize - 1))
    sign = int(code) - magnitude
    for near in (magnitude - 1, magnitude + 1):
        if near >= 0:
            yield decode(np.array([near + sign], dtype=f"<u{DTYPES[dtype].itemsize}").tobytes(), dtype)[0].astype(float)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float8_e5m2", "float8_e4m3fn"])
@given(numbers=st.lists(st.floats(width=32, min_value=-440, max_value=440), min_size=1, max_size=20))
def test_encoding_float32_gives_torchs_bytes(dtype, numbers):
    torch = pytest.importorskip("torch")
    array = np.array(numbers, dtype=np.float32)
    assert encode(array, dtype) == torch_bytes(torch.from_numpy(array).to(getattr(torch, dtype)), torch)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_number_that_is_not_finite_is_found_among_many(dtype, value):
    numbers = np.linspace(-400, 400, 99)
    assert not has_non_finite(encode(numbers, dtype), dtype)
    numbers[57] = value
    assert has_non_finite(encode(numbers, dtype), dtype)


def test_the_largest_finite_numbers_are_finite():
    for dtype, largest in (
        ("float16", 65504.0),
        ("float8_e4m3fn", 448.0),
        ("float8_e5m2", 57344.0),
        ("float32", 3.4e38),
    ):
        assert not has_non_finite(encode(np.array([largest, -largest]), dtype), dtype)


def test_an_unknown_dtype_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match="float8_e5m2"):
        dtype_named("int4")


def test_a_type_holds_another_only_where_no_value_is_lost():
    assert DTYPES["float32"].holds(DTYPES["bfloat16"])
    assert DTYPES["float16"].holds(DTYPES["float8_e4m3fn"])
    assert not DTYPES["float16"].holds(DTYPES["bfloat16"])
    assert not DTYPES["bfloat16"].holds(DTYPES["float16"])
