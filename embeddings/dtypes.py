"""Number types that vectors are stored in, and their way to and from float32, without torch.

numpy knows neither bfloat16 nor the 8-bit floats; both are decoded exactly here. Encoding rounds to the nearest
value, ties to even, and overflows as torch does: to infinity, or to NaN where the type has no infinity.

Source: IEEE 754; bfloat16 is the upper half of a float32; float8_e4m3fn and float8_e5m2 as in "FP8 Formats for Deep
Learning" (Micikevicius et al., 2022) and in torch.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import UnknownName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Buffer: TypeAlias = "bytes | memoryview"
"""Little-endian numbers, row after row."""


@dataclass(frozen=True)
class Dtype:
    """A number type: torch's name for it, its size in bytes, its bits, and whether it has infinities."""

    name: str
    itemsize: int
    exponent_bits: int
    mantissa_bits: int
    infinities: bool = True

    def holds(self, other: Dtype) -> bool:
        """Whether every finite value of `other` is also a value of this type."""
        return self.exponent_bits >= other.exponent_bits and self.mantissa_bits >= other.mantissa_bits

    @functools.cached_property
    def suspicious_bytes(self) -> tuple[int, ...]:
        """What the highest byte of a NaN or an infinity can be: those in which every bit of the exponent is set."""
        exponent = ((1 << self.exponent_bits) - 1) << max(0, 7 - self.exponent_bits) & 0x7F
        return tuple(byte for byte in range(256) if byte & exponent == exponent)


DTYPES = {
    dtype.name: dtype
    for dtype in (
        Dtype("float64", 8, 11, 52),
        Dtype("float32", 4, 8, 23),
        Dtype("float16", 2, 5, 10),
        Dtype("bfloat16", 2, 8, 7),
        Dtype("float8_e4m3fn", 1, 4, 3, infinities=False),
        Dtype("float8_e5m2", 1, 5, 2),
    )
}


def dtype_named(name: str) -> Dtype:
    """The row of `DTYPES` for `name`; raises UnknownName."""
    try:
        return DTYPES[name]
    except KeyError:
        raise UnknownName(f"no dtype is called {name!r}; there are {', '.join(DTYPES)}") from None


def decode(data: Buffer, dtype: str) -> NDArray[Any]:
    """`data` as a flat float32 array, exactly; float64 stays float64."""
    import numpy as np

    if dtype == "float32":
        return np.frombuffer(data, "<f4").astype(np.float32)
    if dtype in ("float64", "float16"):
        numbers = np.frombuffer(data, dtype=np.dtype(dtype).newbyteorder("<"))
        with np.errstate(invalid="ignore"):  # a signalling NaN is a number like any other here
            return numbers.astype(np.float64 if dtype == "float64" else np.float32)
    if dtype == "bfloat16":
        return (np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
    return _eight_bit_values(dtype)[np.frombuffer(data, dtype=np.uint8)]


def encode(numbers: NDArray[Any], dtype: str) -> bytes:
    """`numbers` as little-endian bytes of `dtype`, each rounded once, to nearest, ties to even."""
    import numpy as np

    if dtype in ("float64", "float32", "float16"):
        with np.errstate(over="ignore", invalid="ignore"):
            return numbers.astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    if dtype == "bfloat16":
        return _to_bfloat16(numbers).tobytes()
    return _to_eight_bits(numbers, dtype).tobytes()


def has_non_finite(data: Buffer, dtype: str) -> bool:
    """Whether a NaN or an infinity is among the numbers; cheap for the usual answer, no."""
    row = dtype_named(dtype)
    highest = bytes(data)[row.itemsize - 1 :: row.itemsize]
    if not any(byte in highest for byte in row.suspicious_bytes):
        return False
    import numpy as np

    return not bool(np.isfinite(decode(data, dtype)).all())


def all_zero(data: Buffer) -> bool:
    """Whether every number is +0 (all bytes zero)."""
    return not bytes(data).strip(b"\0")


def _to_bfloat16(numbers: NDArray[Any]) -> NDArray[np.uint16]:
    import numpy as np

    nearest = _rounded_to_odd(numbers)
    bits = nearest.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(nearest), 0x7FC0, rounded).astype("<u2")


def _rounded_to_odd(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """float64 to float32 so that a second rounding gives what one rounding would have given."""
    import numpy as np

    if numbers.dtype != np.float64:
        return np.ascontiguousarray(numbers, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.ascontiguousarray(numbers, dtype=np.float32)
    bits = near.view(np.uint32)
    inexact = np.isfinite(near) & (near.astype(np.float64) != numbers)
    away = inexact & (np.abs(near.astype(np.float64)) > np.abs(numbers))
    odd = np.where(away, bits - 1, bits) | inexact.astype(np.uint32)
    return odd.astype(np.uint32).view(np.float32)


@functools.cache
def _eight_bit_values(dtype: str) -> NDArray[np.float32]:
    """The value of each of the 256 bytes."""
    import numpy as np

    row = dtype_named(dtype)
    bias = (1 << (row.exponent_bits - 1)) - 1
    codes = np.arange(256)
    exponent = (codes >> row.mantissa_bits) & ((1 << row.exponent_bits) - 1)
    mantissa = (codes & ((1 << row.mantissa_bits) - 1)) / (1 << row.mantissa_bits)
    magnitude = np.where(exponent == 0, mantissa * 2.0 ** (1 - bias), (1 + mantissa) * 2.0 ** (exponent - bias))
    if row.infinities:
        top = exponent == (1 << row.exponent_bits) - 1
        magnitude = np.where(top, np.where(mantissa == 0, np.inf, np.nan), magnitude)
    else:
        magnitude = np.where((codes & 0x7F) == 0x7F, np.nan, magnitude)
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.float32)


def _to_eight_bits(numbers: NDArray[Any], dtype: str) -> NDArray[np.uint8]:
    import numpy as np

    row = dtype_named(dtype)
    values = _eight_bit_values(dtype)[:128].astype(np.float64)
    finite = values[np.isfinite(values)]
    step = finite[-1] - finite[-2]
    magnitude = np.abs(numbers.astype(np.float64))
    ladder = np.append(finite, finite[-1] + step)
    above = np.clip(np.searchsorted(ladder, magnitude), 1, len(finite))
    middle = (ladder[above - 1] + ladder[above]) / 2
    up = (magnitude > middle) | ((magnitude == middle) & (above % 2 == 0))
    code = np.where(magnitude == 0, 0, np.where(up, above, above - 1))
    code = np.where(code >= len(finite), 0x7C if row.infinities else 0x7F, code)
    code = np.where(np.isnan(magnitude), 0x7F, code)
    return (code | np.where(np.signbit(numbers), 0x80, 0)).astype(np.uint8)
