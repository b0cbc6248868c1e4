"""safetensors, with the safetensors library as the oracle: what both read is the same, what loanword writes is its."""

import json
import os
import random
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy
from loanword.converters.containers import safetensors as container
from loanword.converters.containers.safetensors import HOLE, open_safetensors, pieces, save_safetensors
from loanword.converters.payload import Draft, Tensor
from loanword.converters.safetensors_header import DTYPES
from loanword.converters.source import open_source
from loanword.embeddings.embedding import Vectors
from loanword.embeddings.errors import (
    CannotWrite,
    Damaged,
    LoanwordError,
    MalformedEmbedding,
    NotAnEmbedding,
    Unreadable,
)
from safetensors import SafetensorError, deserialize

NUMBERS = np.random.default_rng(0)


def file_of(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2, 3), offsets=(0, 24)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def opened(content):
    with open_source(content) as source:
        return open_safetensors(source)


def content_of(content):
    """Everything that a file says: names, dtypes, shapes, bytes, metadata."""
    found = opened(content)
    tensors = {name: (each.dtype, each.shape, bytes(each.fetch())) for name, each in found.tree.items()}
    return tensors, dict(found.metadata)


SIMPLE = file_of({"__metadata__": {"name": "cat"}, "emb_params": entry()}, bytes(range(24)))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"])
def test_arrays_that_the_library_wrote_are_read(dtype):
    arrays = {name: NUMBERS.integers(0, 2, size=(3, 4)).astype(dtype) for name in ("b", "a", "é")}
    tensors, metadata = content_of(safetensors.numpy.save(arrays, {"format": "np"}))
    assert tensors == {name: (dtype, (3, 4), each.tobytes()) for name, each in arrays.items()}
    assert metadata == {"format": "np"}


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_tensors_that_torch_wrote_are_read_and_written_alike(dtype):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")
    tensor = torch.randn(2, 8).to(getattr(torch, dtype))
    written = library.save({"t": tensor}, {"format": "pt"})
    data = tensor.view(torch.uint8).numpy().tobytes()
    assert content_of(written)[0] == {"t": (dtype, (2, 8), data)}
    assert save_safetensors(Draft({"t": Vectors(dtype, (2, 8), data)}, {"format": "pt"})) == written


def test_what_is_written_is_byte_for_byte_what_the_library_writes():
    arrays = {
        "wide": np.ones((1, 3)),
        "b": np.ones((2, 5), np.float16),
        "a": np.ones((2, 5), np.float16),
        "ids": np.arange(3),
        "n": np.zeros((4, 1), np.float32),
        'quote " and é\n': np.zeros(1, np.int8),
    }
    tree = {name: Tensor(each.dtype.name, each.shape, each.tobytes) for name, each in arrays.items()}
    assert save_safetensors(Draft(tree, {"title": "Ä \u2028"})) == safetensors.numpy.save(arrays, {"title": "Ä \u2028"})


@pytest.mark.parametrize("code", DTYPES)
def test_every_dtype_survives_writing_and_reading(code):
    name, bits = DTYPES[code]
    data = NUMBERS.bytes(bits)
    written = save_safetensors(Draft({"t": Tensor(name, (2, 4), lambda: data)}))
    assert content_of(written)[0] == {"t": (name, (2, 4), data)}
    try:
        [(_, described)] = deserialize(written)
    except SafetensorError:
        pytest.skip(f"this version of the library does not know {code}")
    assert described["dtype"] == code
    assert bytes(described["data"]) == data


def test_writing_does_not_depend_on_the_order_of_the_tree_or_of_the_metadata():
    one, two = Vectors("float32", (1, 2), bytes(8)), Vectors("float16", (1, 2), bytes(4))
    forwards = save_safetensors(Draft({"x": one, "y": two}, {"a": "1", "b": "2"}))
    assert save_safetensors(Draft({"y": two, "x": one}, {"b": "2", "a": "1"})) == forwards


def test_the_header_is_filled_up_to_eight_bytes():
    for length in range(8):
        content = save_safetensors(Draft({"x" * (length + 1): Vectors("float32", (1, 1), bytes(4))}))
        assert int.from_bytes(content[:8], "little") % 8 == 0


def test_pieces_are_fetched_one_at_a_time():
    fetched = []
    tree = {name: Tensor("uint8", (1,), lambda name=name: fetched.append(name) or b"x") for name in "ab"}
    found = pieces(Draft(tree))
    next(found)
    assert fetched == []
    next(found)
    assert fetched == ["a"]


def test_scalars_as_loras_have_them_are_read():
    tensors, _ = content_of(file_of({"a.alpha": entry("F16", (), (0, 2))}, b"\0\x3c"))
    assert tensors == {"a.alpha": ("float16", (), b"\0\x3c")}


def test_the_order_of_the_header_may_differ_from_that_of_the_data():
    tensors, _ = content_of(file_of({"b": entry("U8", (1,), (1, 2)), "a": entry("U8", (1,), (0, 1))}, b"ab"))
    assert tensors == {"b": ("uint8", (1,), b"b"), "a": ("uint8", (1,), b"a")}


DAMAGED = {
    "no header": file_of(b"", b"x" * 24),
    "header is a list": file_of(b"[1]", b"x" * 24),
    "header begins with a space": file_of(b" " + json.dumps({"a": entry()}).encode(), b"x" * 24),
    "header is not UTF-8": file_of(b'{"\xff":' + json.dumps(entry()).encode() + b"}", b"x" * 24),
    "header is cut off": file_of({"a": entry()}, b"x" * 24, 20),
    "header reaches into the data": file_of({"a": entry()}, b"x" * 24, 80),
    "header is followed by NUL": file_of(json.dumps({"a": entry()}).encode() + b"\0", b"x" * 24),
    "header is longer than the file": file_of({"a": entry()}, b"x" * 24, 10**9),
    "header nests deeply": file_of(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "lists nest deeply": file_of(b'{"__metadata__":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "a number of many digits": file_of(b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,24]}}' % (b"7" * 300_000)),
    "an entry is no object": file_of({"a": 1}, b"x"),
    "two tensors of one name": file_of(b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), b"x" * 24),
    "two names that are one": file_of(b'{"ab":%s,"a\\u0062":%s}' % ((json.dumps(entry()).encode(),) * 2), b"x" * 24),
    "a field twice": file_of(b'{"a":{"dtype":"F16","dtype":"F32","shape":[6],"data_offsets":[0,24]}}', b"x" * 24),
    "a key of the metadata twice": file_of(
        b'{"__metadata__":{"k":"1","k":"2"},"a":%s}' % json.dumps(entry()).encode(), b"x" * 24
    ),
    "two metadata objects": file_of(
        b'{"__metadata__":{"k":"\\""},"__metadata__":{},"a":%s}' % json.dumps(entry()).encode(), b"x" * 24
    ),
    "metadata that is no text": file_of({"__metadata__": {"k": 1}, "a": entry()}, b"x" * 24),
    "metadata that is a list": file_of({"__metadata__": [], "a": entry()}, b"x" * 24),
    "metadata that is a tensor": file_of({"__metadata__": entry(), "a": entry()}, b"x" * 24),
    "an unknown field": file_of({"a": {**entry(), "more": 1}}, b"x" * 24),
    "a field too few": file_of({"a": {"dtype": "F32", "shape": [6]}}, b"x" * 24),
    "half a character in a name": file_of(b'{"\\ud800":%s}' % json.dumps(entry()).encode(), b"x" * 24),
    "half a character in the metadata": file_of(
        b'{"__metadata__":{"k":"\\uDFFF"},"a":%s}' % json.dumps(entry()).encode(), b"x" * 24
    ),
    "two tensors in one place": file_of({"a": entry(), "b": entry()}, b"x" * 24),
    "a hole before": file_of({"a": entry(offsets=(4, 28))}, b"x" * 28),
    "a hole between": file_of({"a": entry(), "b": entry(offsets=(28, 52))}, b"x" * 52),
    "bytes behind": file_of({"a": entry()}, b"x" * 28),
    "data that is cut off": file_of({"a": entry()}, b"x" * 23),
    "offsets the wrong way round": file_of({"a": entry(offsets=(24, 0))}, b"x" * 24),
    "negative offsets": file_of({"a": entry(offsets=(-24, 0))}, b"x" * 24),
    "offsets that are no integers": file_of({"a": entry(offsets=(0.0, 24.0))}, b"x" * 24),
    "three offsets": file_of({"a": entry(offsets=(0, 24, 24))}, b"x" * 24),
    "a truth value as a length": file_of({"a": entry(shape=(True, 6))}, b"x" * 24),
    "negative lengths": file_of({"a": entry(shape=(-2, -3))}, b"x" * 24),
    "lengths whose product wraps around": file_of({"a": entry(shape=(2**62 + 3, 4, 2))}, b"x" * 24),
    "enormous lengths": file_of({"a": entry(shape=(2**62,) * 32)}, b"x" * 24),
    "a length beyond 64 bits": file_of({"a": entry(shape=(2**64,))}, b"x" * 24),
    "very many axes": file_of({"a": entry(shape=(1,) * 10_000 + (6,))}, b"x" * 24),
    "a shape of another size": file_of({"a": entry(shape=(2, 4))}, b"x" * 24),
    "a dtype that is no text": file_of({"a": entry(dtype=5)}, b"x" * 24),
    "an unknown dtype": file_of({"a": entry(dtype="F128")}, b"x" * 24),
    "a name that loanword keeps for itself": file_of({HOLE: entry()}, b"x" * 24),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_file_that_contradicts_itself_is_refused(content):
    with pytest.raises(LoanwordError) as caught:
        opened(content)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_a_file_without_tensors_is_no_embedding():
    with pytest.raises(NotAnEmbedding, match="without any tensor"):
        opened(file_of({"__metadata__": {"a": "b"}}))


def test_escapes_and_emoji_in_names_are_no_duplicates():
    names = ['\\"', "\\", '"', "\\\\", "a\\", "😀", "\u00e9"]
    header = {name: entry("U8", (1,), (at, at + 1)) for at, name in enumerate(names)}
    tensors, metadata = content_of(file_of({"__metadata__": {'"k\\': '{"a": "\\"b\\""}'}, **header}, bytes(len(names))))
    assert list(tensors) == names
    assert metadata == {'"k\\': '{"a": "\\"b\\""}'}


def test_every_truncation_is_refused():
    for end in range(len(SIMPLE)):
        with pytest.raises(LoanwordError):
            opened(SIMPLE[:end])


def test_whatever_changes_in_the_header_is_refused_or_read_as_the_library_reads_it():
    flipped = [SIMPLE[:at] + bytes([SIMPLE[at] ^ 1 << bit]) + SIMPLE[at + 1 :] for at in range(100) for bit in range(8)]
    choose = random.Random(0)
    doubled = [SIMPLE[:8] + _shuffled(choose, SIMPLE[8:-24]) + SIMPLE[-24:] for _ in range(300)]
    read = 0
    for content in flipped + doubled:
        try:
            tensors, metadata = content_of(content)
        except LoanwordError:
            continue
        read += 1
        codes = {name: code for code, (name, _) in DTYPES.items()}
        known = {name: (codes[dtype], list(shape), data) for name, (dtype, shape, data) in tensors.items()}
        assert {
            name: (each["dtype"], each["shape"], bytes(each["data"])) for name, each in deserialize(content)
        } == known
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        assert header.get("__metadata__", {}) == metadata
    assert read > 50


def _shuffled(choose, text):
    """`text` with a few of its bytes in other places."""
    changed = bytearray(text)
    for _ in range(choose.randint(1, 3)):
        at, to = choose.randrange(len(text)), choose.randrange(len(text))
        changed[at], changed[to] = changed[to], changed[at]
    return bytes(changed)


def test_a_large_file_costs_its_header_and_what_is_fetched_of_it(tmp_path):
    path, size = tmp_path / "lora.safetensors", 2 * 1024**3
    header = {
        "lora_unet.lora_up.weight": entry("F16", (size // 2,), (0, size)),
        "bundle_emb.cat.emb_params": entry("F32", (1, 768), (size, size + 3072)),
    }
    with path.open("wb") as file:
        file.write(file_of(header))
        file.truncate(file.tell() + size + 3072)
        file.seek(-4, os.SEEK_END)
        file.write(b"last")
    tracemalloc.start()
    with open_source(path) as source:
        vectors = open_safetensors(source).tree["bundle_emb.cat.emb_params"].vectors("cat")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert vectors.tobytes()[-4:] == b"last"
    assert peak < 1_000_000


def test_a_checkpoints_long_header_is_read():
    header = {f"model.layers.{at}.weight": entry("U8", (1,), (at, at + 1)) for at in range(20_000)}
    metadata = {"ss_tag_frequency": json.dumps({f"tag {at}": at for at in range(100_000)})}
    tensors, found = content_of(file_of({"__metadata__": metadata, **header}, bytes(20_000)))
    assert len(tensors) == 20_000
    assert found == metadata


@pytest.mark.parametrize(
    "content",
    [
        file_of({f"t{at:06}": entry("U8", (1,), (at, at + 1)) for at in range(40_000)}, bytes(40_000)),
        file_of({"__metadata__": {str(at): "" for at in range(600_000)}, "a": entry()}, bytes(24)),
        file_of({"a": entry()}, bytes(24))[8:].ljust(20 * 1024**2).join([(20 * 1024**2).to_bytes(8, "little"), b""]),
    ],
    ids=["tensors", "metadata", "padding"],
)
def test_a_header_larger_than_any_real_one_is_refused_before_it_takes_memory(content):
    tracemalloc.start()
    with pytest.raises((Unreadable, Damaged)):
        opened(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000


def draw_things(rows=2, dtype="F16", size=2, width=768, begin=None):
    """What Draw Things' SDXL export looks like: CLIP-G's vectors unnamed, CLIP-L's called clip_g, then the LoRA's."""
    hole, labelled = rows * 1280 * size, rows * width * size
    begin = hole if begin is None else begin
    header = {
        "__metadata__": {"version": "sdxl_base_v0.9"},
        "clip_g": entry(dtype, (rows, width), (begin, begin + labelled)),
        "lora_unet.lora_up.weight": entry("U8", (4,), (begin + labelled, begin + labelled + 4)),
    }
    return file_of(header, b"G" * begin + b"L" * labelled + b"lora")


@pytest.mark.parametrize(("dtype", "size"), [("F16", 2), ("F32", 4)])
def test_the_unnamed_vectors_of_draw_things_are_found(dtype, size):
    tensors, _ = content_of(draw_things(3, dtype, size))
    name = DTYPES[dtype][0]
    assert tensors[HOLE] == (name, (3, 1280), b"G" * 3 * 1280 * size)
    assert tensors["clip_g"] == (name, (3, 768), b"L" * 3 * 768 * size)
    assert tensors["lora_unet.lora_up.weight"] == ("uint8", (4,), b"lora")


@pytest.mark.parametrize("changes", [{"width": 1280}, {"begin": 1280}, {"begin": 2 * 768 * 2}])
def test_any_other_hole_is_refused(changes):
    with pytest.raises(Damaged, match="starts at byte"):
        opened(draw_things(**changes))


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (Draft({}), "there are none"),
        (Draft([]), "there are none"),
        (Draft({"a": {"b": Vectors("float32", (1, 1), bytes(4))}}), "tensors only"),
        (Draft({1: Vectors("float32", (1, 1), bytes(4))}), "called 1"),
        (Draft({"__metadata__": Vectors("float32", (1, 1), bytes(4))}), "__metadata__"),
        (Draft({"a": Tensor("complex128", (1,), lambda: bytes(16))}), "complex128"),
        (Draft({"\ud800": Vectors("float32", (1, 1), bytes(4))}), "surrogate"),
        (Draft({"a": Vectors("float32", (1, 1), bytes(4))}, {"k": 1}), "metadata is text"),
        (Draft({"a": Tensor("float4_e2m1fn", (1,), lambda: bytes(1))}), "whole bytes"),
    ],
)
def test_what_safetensors_cannot_hold_is_not_written(draft, why):
    with pytest.raises(CannotWrite, match=why):
        save_safetensors(draft)


def test_a_tensor_with_too_few_bytes_is_not_written():
    with pytest.raises(Damaged, match="has 3 bytes"):
        save_safetensors(Draft({"a": Tensor("float32", (1,), lambda: b"abc")}))


def test_the_first_bytes_tell_it_from_other_files():
    [row] = container.CONTAINERS
    assert row.claims(SIMPLE[:64])
    assert not row.claims(b'<!DOCTYPE html>{"a"')
    assert not row.claims(b'\xff\xff\xff\xff\xff\xff\xff\x7f{"a":')
    assert not row.claims(b"")


def test_vectors_of_gigabytes_are_refused_before_they_are_read(tmp_path):
    path, rows = tmp_path / "big.safetensors", 1 << 20
    with path.open("wb") as file:
        file.write(file_of({"emb_params": entry("F32", (rows, 768), (0, rows * 3072))}))
        file.truncate(file.tell() + rows * 3072)
    with open_source(path) as source, pytest.raises(MalformedEmbedding, match="1,048,576 vectors"):
        open_safetensors(source).tree["emb_params"].vectors("emb_params")
