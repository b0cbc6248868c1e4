"""The pickle machine, with Python's own pickler as the oracle: plain values survive, nothing else gets through."""

import argparse
import collections
import datetime as dt
import io
import pathlib
import pickle
import struct
import sys
import time
import tracemalloc
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loanword.converters import pickle_machine
from loanword.converters.payload import Tensor
from loanword.converters.pickle_machine import load
from loanword.converters.pickle_names import NAMES
from loanword.converters.pickle_numpy import ObjectArray
from loanword.converters.pickle_tree import DEEPEST, tree_of
from loanword.embeddings.errors import Damaged, FileError, LoanwordError, UnsafePickle
from pickle_parts import called, dict_of, list_of, name, number, pickle_of, text, tuple_of

PROTOCOLS = (2, 3, 4, 5)
KEYS = st.text(max_size=5) | st.binary(max_size=5) | st.integers(-(2**63), 2**63 - 1)
LEAVES = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | st.text() | st.binary()
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(st.text(max_size=3), max_size=3)
        | st.frozensets(st.integers(0, 9), max_size=3)
    ),
    max_leaves=20,
)


def no_storage(_):
    raise Damaged("no storage here")


def tree(content):
    value, end = load(content, 0, no_storage)
    assert end == len(content)
    return tree_of(value, len(content))


def pickled(value, protocol=2):
    return pickle.dumps(value, protocol)


@settings(max_examples=300, deadline=None)
@given(value=TREES, protocol=st.sampled_from(PROTOCOLS))
def test_plain_values_arrive_as_they_were_pickled(value, protocol):
    assert tree(pickled(value, protocol)) == value


@given(text=st.text(alphabet=st.characters(categories=["Cs", "Lu"]), max_size=4))
def test_text_with_half_characters_arrives_as_it_is(text):
    assert tree(pickled(text)) == text


def test_a_value_that_occurs_twice_is_shared_as_it_was():
    shared = [1]
    first, second = tree(pickled([shared, shared]))
    assert first is second


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(list, {"a": [1]}), {"a": [1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (argparse.Namespace(lr=0.5, name="cat"), {"lr": 0.5, "name": "cat"}),
        (types.SimpleNamespace(lr=0.5), {"lr": 0.5}),
        (dt.datetime.fromisoformat("2023-01-31T09:05:07"), "2023-01-31T09:05:07"),
        (dt.date(2023, 1, 31), "2023-01-31"),
        (pathlib.PurePosixPath("out/cat.pt"), "out/cat.pt"),
        (bytearray(b"\xff\0"), b"\xff\0"),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(0.1), 0.1),
        (np.float16(0.5), 0.5),
        (np.int64(-3), -3),
        (np.uint8(255), 255),
        (np.bool_(True), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_harmless_classes_become_plain_values(value, expected, protocol):
    found = tree(pickled({"it": value}, protocol))["it"]
    assert found == expected
    assert not isinstance(found, np.generic)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", ">f4", ">i8"])
def test_numpy_arrays_become_tensors(dtype, protocol):
    rows = np.arange(6).reshape(2, 3).astype(dtype)
    content = pickled(
        {"rows": rows, "columns": np.asfortranarray(rows), "none": rows[:0], "one": rows[0, 0:1]}, protocol
    )
    found = tree(content)
    for key, array in (("rows", rows), ("columns", rows), ("none", rows[:0]), ("one", rows[0, 0:1])):
        assert isinstance(found[key], Tensor)
        assert (found[key].dtype, found[key].shape) == (rows.dtype.newbyteorder("<").name, array.shape)
        assert bytes(found[key].fetch()) == array.astype(rows.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("core", [b"numpy.core.", b"numpy._core."])
def test_both_spellings_of_numpys_modules_are_known(core):
    content = pickled([np.zeros(2), np.int64(7)]).replace(b"numpy._core.", b"numpy.core.").replace(b"numpy.core.", core)
    assert core in content
    array, scalar = tree(content)
    assert array.shape == (2,)
    assert scalar == 7


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn"])
def test_arrays_of_ml_dtypes_become_tensors(dtype):
    order = tuple_of(b"K\x03", text("<"), b"N", b"N", b"N", b"K\x02", b"K\x02", b"K\x40")
    made = called("numpy", "dtype", name("ml_dtypes", dtype), b"\x89", b"\x88") + order + b"b"
    array = called("numpy._core.multiarray", "_reconstruct", name("numpy", "ndarray"), b"K\0\x85", b"C\x01b")
    data = bytes(range(8 if dtype == "bfloat16" else 4))
    state = tuple_of(b"K\x01", b"K\x02K\x02\x86", made, b"\x89", b"C" + bytes([len(data)]) + data)
    found = tree(pickle_of(array + state + b"b"))
    assert (found.dtype, found.shape, bytes(found.fetch())) == (dtype, (2, 2), data)


def test_an_array_that_occurs_twice_is_the_same_tensor():
    array = np.zeros(2)
    first, second = tree(pickled([array, array]))
    assert first is second


@pytest.mark.parametrize(
    "named",
    [
        ("posix", "system"),
        ("nt", "system"),
        ("builtins", "eval"),
        ("__builtin__", "eval"),
        ("builtins", "getattr"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_sparse_tensor"),
        ("torch.jit", "load"),
        ("collections", "OrderedDict.fromkeys"),
        ("collections", "ChainMap"),
        ("torch.serialization", "os.system"),
        ("numpy", "memmap"),
        ("functools", "partial"),
        ("loanword_canary", "anything"),
    ],
    ids=".".join,
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_name_that_is_not_in_the_table_is_refused_and_never_imported(named, protocol):
    module, attribute = named
    body = name(module, attribute) if protocol == 2 else text(module) + text(attribute) + b"\x93"
    before = set(sys.modules)
    with pytest.raises(UnsafePickle, match=f"'{module}.{attribute}'"):
        tree(pickle_of(body + text("x") + b"\x85R", protocol))
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "named", [("a" * 70_000, "b" * 70_000), ("x\r", "y"), ("os\x1b[31m", "system"), ("pоsix", "a")]
)
def test_a_hostile_name_makes_one_short_line(named):
    with pytest.raises(UnsafePickle) as caught:
        tree(pickle_of(name(*named)))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("code", sorted(pickle_machine.REFUSED))
def test_instructions_that_no_embedding_needs_are_refused(code):
    with pytest.raises(FileError):
        tree(b"\x80\x02" + text("a") + text("b") + bytes([code]) + b"1\n1\n" + bytes(20) + b".")


def test_there_is_no_instruction_beside_those_that_pickle_has():
    known = {code for code in range(256) if bytes([code]) in vars(pickle).values()}
    for code in set(range(256)) - known:
        with pytest.raises(Damaged):
            tree(b"\x80\x02" + text("a") + bytes([code]) + b"1\n1\n" + bytes(20) + b".")


ARGUMENTS = (
    (),
    (b"N",),
    (number(1 << 30),),
    (text("x"), text("rot13")),
    (b"]", b"]"),
    (b"}",) * 4,
    (b")",) * 6,
    (b"N",) * 9,
)


@pytest.mark.parametrize("named", sorted(NAMES), ids=".".join)
def test_whatever_is_done_with_a_name_gives_a_value_or_a_file_error(named):
    tracemalloc.start()
    for arguments in ARGUMENTS:
        for after in (b"R", b"\x81", b"R}b", b"\x81}b", b"R)b", b"RN\x85b"):
            try:
                tree(pickle_of(name(*named) + tuple_of(*arguments) + after))
            except FileError as error:
                assert str(error).isprintable()  # noqa: PT017  # the other outcome is a value
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"0",
        b"N" + b"N",
        b"(N",
        b"N" + b"t",
        b"N" + b"\x85" + b"\x86",
        b"h\x00",
        b"j\x01\x00\x00\x00",
        b"Nq\x00q\x00",
        b"Nq\x01",
        b"Nr\x01\0\0\0",
        b"]q\x00]q\x00a",
        b"Nr\xff\xff\xff\xff",
        b"q\x00N",
        b"}(" + text("a") + b"u",
        b"]" + text("a") + b"Ns",
        b"}Na",
        b")Na",
        b"}" + b"}" + b"Ns",
        b"}" + b")" + b"Ns",
        b"}" + b"G" + bytes(8) + b"Ns",
        b"}" + b"\x8a\x09" + b"\xff" * 8 + b"\x01" + b"Ns",
        b"}(" + text("a") + b"N" + text("a") + b"Nu",
        b"}(K\x01N\x88Nu",
        b"\x8f(}\x90",
        b"(]\x91",
        b"N}b",
        b"}" + dict_of({"values": b"N"}) + b"b",
        text("a") + b")R",
        text("a") + b")\x81",
        text("a") + text("b") + b"\x93" + b"a",
        b"K\x01" + text("b") + b"\x93",
        b"X\xff\xff\xff\xffab",
        b"X\x01\x00\x00\x00\xff",
        b"\x8d" + struct.pack("<Q", 1 << 62) + b"x",
        b"\x8e" + struct.pack("<Q", 8 << 30) + b"x",
        b"\x96" + struct.pack("<Q", 8 << 30) + b"x",
        b"\x8a\xff\x00",
        b"U\x09abc",
        b"U\x01\xff",
        b"C\x09abc",
        b"\x95" + struct.pack("<Q", 8 << 30) + b"N",
        b"\x95" + struct.pack("<Q", 9) + b"\x95" + struct.pack("<Q", 0) + b"N",
        b"\x95" + struct.pack("<Q", 3) + name("builtins", "set") + b")R",
        b"\x95" + struct.pack("<Q", 1) + b"K\x05",
        b"\x95" + struct.pack("<Q", 5) + text("a"),
        b"N\xfe",
        b"\x95" + struct.pack("<Q", 3) + b"N.N",
        name("torch", "FloatStorage"),
        name("collections", "OrderedDict"),
        name("collections", "OrderedDict") + b")R" + dict_of({"items": b"N"}) + b"b",
        called("builtins", "set", list_of(b"]")),
        called("_codecs", "encode", text("Ā"), text("latin1")),
    ],
    ids=repr,
)
def test_a_pickle_that_makes_no_sense_is_refused(body):
    tracemalloc.start()
    with pytest.raises(FileError):
        tree(pickle_of(body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("beginning", [b"", b"\x80", b"\x80\x02", b"\x80\x01N.", b"\x80\x06N.", b"(lp0\n.", b"N."])
def test_other_protocols_and_no_pickle_at_all_are_damaged(beginning):
    with pytest.raises(Damaged):
        tree(beginning)


def nested(count, opening=b"]", closing=b"a"):
    return pickle_of(opening * count + closing * (count - 1))


BOMBS = {
    "nested lists": nested(100_000)[2:-1],
    "nested tuples": b")" + b"\x85" * 100_000,
    "a cycle": b"]q\x00h\x00a",
    "a cycle through a dict": b"}q\x00" + text("self") + b"h\x00s",
    "many values": b"](" + b"K\x01" * 500_000 + b"e",
    "many dicts": b"](" + b"}" * 1_000_000 + b"e",
    "many keys": b"}(" + b"".join(number(key) + b"N" for key in range(300_000)) + b"u",
    "a long text, often": text("A" * 100_000) + b"q\x00" + b"\x85q\x01](" + b"h\x00" * 100_000 + b"e\x86",
    "a key that takes for ever to hash": b"}" + b")" + b"\x85" * 100_000 + b"Ns",
    "keys that collide": b"}("
    + b"".join(b"\x8a\x0f" + ((2**61 - 1) * (key + 1)).to_bytes(15, "little") + b"N" for key in range(40_000))
    + b"u",
    "marks": b"(" * 1_000_000,
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_costs_little(body):
    started = time.perf_counter()
    tracemalloc.start()
    with pytest.raises(Damaged):
        tree(pickle_of(body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 128 * 1024 * 1024
    assert time.perf_counter() - started < 10  # tracing memory makes it ten times slower


def test_a_billion_laughs_are_not_counted_one_by_one():
    levels = b"](" + text("lol") * 10 + b"e"
    for level in range(30):
        levels = b"](" + levels + b"q" + bytes([level]) + (b"h" + bytes([level])) * 9 + b"e"
    with pytest.raises(Damaged, match=r"unfolds|nested"):
        tree(pickle_of(levels))


def test_a_tree_may_be_as_deep_as_any_real_one():
    assert tree(nested(DEEPEST - 1)) is not None
    with pytest.raises(Damaged, match="deep"):
        tree(nested(DEEPEST + 2))


@pytest.mark.parametrize(
    "content", [pickled({"a": [1, 2.5, "é", (True, None)], "n": np.zeros(3)}, p) for p in PROTOCOLS]
)
def test_every_truncation_is_damaged(content):
    for length in range(len(content)):
        with pytest.raises(Damaged):
            tree(content[:length])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_changed_byte_gives_a_value_or_a_file_error(protocol):
    content = pickled({"a": [1, 2.5, "é", (True, None)], "n": np.zeros(3), "s": {"x"}}, protocol)
    for position in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            try:
                tree(bytes(changed))
            except FileError as error:
                assert str(error).isprintable()  # noqa: PT017  # the other outcome is a value


class _Restricted(pickle.Unpickler):
    """Python's unpickler with the few harmless names of the grammar below."""

    def find_class(self, module, attribute):
        assert (module, attribute) in {("collections", "OrderedDict"), ("builtins", "set")}
        return super().find_class(module, attribute)


INSTRUCTIONS = st.sampled_from(
    [
        *(bytes([code]) for code in b"(t)]}Naeus.\x85\x86\x87\x88\x89\x8f\x90\x91\x93\x94R\x81b012"),
        *(b"K" + bytes([value]) for value in range(4)),
        *(b"q" + bytes([value]) for value in range(4)),
        b"\x94",
        *(b"h" + bytes([value]) for value in range(6)),
        *(text(value) for value in ("a", "b", "")),
        number(-1),
        b"M\x01\x02",
        b"G" + struct.pack(">d", 0.5),
        b"\x8a\x01\x05",
        b"\x8c\x01z",
        b"C\x01z",
        b"r\x07\0\0\0",
        b"j\x07\0\0\0",
        b"\x95" + struct.pack("<Q", 3),
        name("collections", "OrderedDict"),
        called("builtins", "set", list_of(text("a"))),
        dict_of({"a": b"N"}),
        list_of(b"N", b"N"),
        b"\xff",
    ]
)


@settings(max_examples=2000, deadline=None)
@given(parts=st.lists(INSTRUCTIONS, max_size=25))
def test_random_instructions_mean_what_they_mean_to_python_or_are_refused(parts):
    content = pickle_of(b"".join(parts), 4)
    try:
        found = tree_of(load(content, 0, no_storage)[0], len(content))
    except LoanwordError:
        return
    expected = _Restricted(io.BytesIO(content)).load()
    assert repr(plain(found)) == repr(plain(expected))


def plain(value):
    """What Python's unpickler made, with the classes that arrive as plain values made plain."""
    if isinstance(value, collections.OrderedDict):
        value = dict(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return set(value)
    return type(value)(map(plain, value)) if isinstance(value, (list, tuple)) else value


def test_an_array_of_objects_is_no_part_of_a_tree():
    content = pickled(np.array([{}], dtype=object))
    assert type(load(content, 0, no_storage)[0]) is ObjectArray
    with pytest.raises(Damaged):
        tree(content)


@pytest.mark.parametrize("codec", ["rot13", "punycode", "idna", "zlib_codec", "no_such_codec", "utf-8"])
def test_no_codec_but_that_of_bytes_is_ever_looked_up(codec):
    with pytest.raises(UnsafePickle):
        tree(pickle_of(called("_codecs", "encode", text("x"), text(codec))))
