"""Embeddings in pictures: loanword's reader against an independent one, Pillow as the oracle for pixels, and bombs."""

import base64
import io
import json
import random
import struct
import sys
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from loanword.converters.container import container_named
from loanword.converters.payload import Draft
from loanword.converters.png import open_png, pixels_of
from loanword.converters.source import open_source
from loanword.converters.stego import hidden, hide, may_hide
from loanword.embeddings.embedding import Vectors
from loanword.embeddings.errors import CannotWrite, Damaged, FileError, NotAnEmbedding, Unreadable

NUMBERS = np.random.default_rng(0)
KEYWORD = b"sd-ti-embedding"


def vectors(count=2, width=768, dtype="float32"):
    return Vectors.from_numpy(NUMBERS.normal(scale=0.02, size=(count, width)), dtype)


def draft(leaf, **facts):
    return Draft({"string_to_token": {"*": 265}, "string_to_param": {"*": leaf}, "name": "cat", "step": 500, **facts})


def opened(content, key="png"):
    with open_source(content) as source:
        return container_named(key).open(source).tree


def leaf_of(tree):
    return tree["string_to_param"]["*"].vectors("it")


def chunk(kind, body, checksum=None):
    checksum = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png(*chunks, size=(1, 1), depth=8, colour=2, interlaced=0, data=None):
    """A PNG with these chunks before its pixels, which are black unless `data` says otherwise."""
    packed = zlib.compress(bytes(size[1] * (1 + 3 * size[0]))) if data is None else data
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", packed), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def picture(pixels, **options):
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return png(size=(pixels.shape[1], pixels.shape[0]), data=zlib.compress(rows), **options)


def said(text):
    """A PNG whose text is `text`, as A1111 packs it."""
    raw = text if isinstance(text, bytes) else json.dumps(text).encode()
    return png(chunk(b"tEXt", KEYWORD + b"\0" + base64.b64encode(raw)))


def described(rows, **more):
    return {"string_to_param": {"*": {"TORCHTENSOR": rows, **more}}, "name": "cat"}


TEXT = base64.b64encode(json.dumps(described([[0.5, -0.25]])).encode())


def by_the_book(pixels):
    """A1111's decoder, written from its description number by number; slow, and independent of loanword's."""
    columns = [x for x in range(pixels.shape[1]) if not (pixels[:, x] & 15).any()]
    low, high = pixels[:, : columns[0]] & 15, pixels[:, columns[-1] + 1 :] & 15
    state, content = 0, bytearray()
    for lower, upper in zip(low.reshape(-1).tolist(), high.reshape(-1).tolist(), strict=True):
        state = (1664525 * state + 1013904223) % 2**32
        key = state % 255 & 15
        content.append((upper ^ key) << 4 | lower ^ key)
    return json.loads(zlib.decompressobj().decompress(bytes(content)))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize(("count", "width"), [(1, 768), (8, 1024), (3, 1280)])
def test_what_is_written_is_read_back_bit_for_bit(count, width, dtype):
    leaf = vectors(count, width, dtype)
    assert leaf_of(opened(container_named("png").save(draft(leaf)))) == leaf


def test_the_facts_beside_the_vectors_stay_as_they_are():
    facts = {"name": "猫 <cat> \ud800", "sd_checkpoint": None, "notes": 'a "quoted"\n', "rate": 0.1, "flag": True}
    tree = opened(container_named("png").save(draft(vectors(), **facts)))
    assert {key: tree[key] for key in facts} == facts
    assert (tree["step"], tree["string_to_token"]) == (500, {"*": 265})


def test_text_and_pixels_say_the_same_to_an_independent_reader():
    image_module = pytest.importorskip("PIL.Image")
    leaf = vectors(4)
    image = image_module.open(io.BytesIO(container_named("png").save(draft(leaf))))
    image.load()
    by_pixels = by_the_book(np.asarray(image))
    by_text = json.loads(base64.b64decode(image.text["sd-ti-embedding"]))
    assert by_pixels == by_text
    numbers = np.array(by_pixels["string_to_param"]["*"]["TORCHTENSOR"])
    np.testing.assert_array_equal(numbers, leaf.numpy().astype(np.float64))


def test_the_same_embedding_gives_the_same_picture():
    leaf = vectors()
    assert container_named("png").save(draft(leaf)) == container_named("png").save(draft(leaf))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_json_cannot_say_is_not_written(value):
    leaf = Vectors.from_numpy(np.array([[1.0, value]]))
    with pytest.raises(CannotWrite, match="NaN or infinite"):
        container_named("png").save(draft(leaf))


def test_zeros_make_a_picture_too():
    leaf = Vectors.from_numpy(np.zeros((1, 768)))
    assert leaf_of(opened(container_named("png").save(draft(leaf)))) == leaf


def test_a_tree_without_vectors_makes_no_picture():
    with pytest.raises(CannotWrite, match="no tensor"):
        container_named("png").save(Draft({"name": "cat"}))


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"tEXt", KEYWORD + b"\0" + TEXT)],
        [chunk(b"tEXt", KEYWORD + b"\0" + TEXT[:30] + b"\n" + TEXT[30:])],
        [chunk(b"zTXt", KEYWORD + b"\0\0" + zlib.compress(TEXT))],
        [chunk(b"iTXt", KEYWORD + b"\0\0\0en\0\xc3\xa9\0" + TEXT)],
        [chunk(b"iTXt", KEYWORD + b"\0\1\0\0\0" + zlib.compress(TEXT))],
        [chunk(b"tEXt", b"parameters\0a cat"), chunk(b"zTXt", KEYWORD + b"\0\0" + zlib.compress(TEXT))],
    ],
)
def test_every_kind_of_text_is_read(chunks):
    assert leaf_of(opened(png(*chunks))).numpy().tolist() == [[0.5, -0.25]]


def test_a_text_behind_the_pixels_is_read():
    content = png()[:-12] + chunk(b"tEXt", KEYWORD + b"\0" + TEXT) + chunk(b"IEND", b"")
    assert leaf_of(opened(content)).shape == (1, 2)


@pytest.mark.parametrize(
    ("rows", "more", "dtype"),
    [
        ([[0.5, 1]], {}, "float32"),
        ([[0.1, 0.2]], {}, "float64"),
        ([[0.5, 16777217]], {}, "float64"),
        ([[0.5, 1]], {"dtype": "float16"}, "float16"),
        ([[0.5, 1e-30]], {"dtype": "float16"}, "float64"),
        ([[0.5, 1]], {"dtype": "nonsense"}, "float32"),
        ([[0.5, 1]], {"dtype": ["float16"]}, "float32"),
    ],
)
def test_numbers_get_the_dtype_that_holds_them_exactly(rows, more, dtype):
    leaf = leaf_of(opened(said(described(rows, **more))))
    assert leaf.dtype == dtype
    np.testing.assert_array_equal(leaf.numpy(), np.array(rows, dtype=np.float64).astype(np.float32))


def test_integers_are_no_vectors():
    tensor = opened(said(described([[1, 2]])))["string_to_param"]["*"]
    assert (tensor.dtype, tensor.shape) == ("int64", (1, 2))


BROKEN = {
    "two texts": png(chunk(b"tEXt", KEYWORD + b"\0" + TEXT), chunk(b"zTXt", KEYWORD + b"\0\0" + zlib.compress(TEXT))),
    "a wrong checksum": png(chunk(b"tEXt", KEYWORD + b"\0" + TEXT, checksum=1)),
    "a wrong checksum elsewhere": png(chunk(b"gAMA", bytes(4), checksum=1), chunk(b"tEXt", KEYWORD + b"\0" + TEXT)),
    "a text that is no base64": png(chunk(b"tEXt", KEYWORD + b"\0!!!!")),
    "a text packed in another way": png(chunk(b"zTXt", KEYWORD + b"\0\1" + zlib.compress(TEXT))),
    "a text that does not unpack": png(chunk(b"zTXt", KEYWORD + b"\0\0xyz")),
    "a text that is cut off": png(chunk(b"zTXt", KEYWORD + b"\0\0" + zlib.compress(TEXT)[:-5])),
    "an international text without its parts": png(chunk(b"iTXt", KEYWORD + b"\0\0\0en")),
    "no header": b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", KEYWORD + b"\0" + TEXT) + chunk(b"IEND", b""),
    "only an end": b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""),
    "no pixels at all": png(size=(0, 0)),
    "very many chunks": png(*[chunk(b"IDAT", b"")] * 10_000),
    "a length beyond the file": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31 - 1) + b"IHDR",
    "pixels that do not unpack": png(data=b"xyz"),
    "too few pixels": png(data=zlib.compress(bytes(3))),
    "too many pixels": png(data=zlib.compress(bytes(5))),
    "an unknown filter": png(data=zlib.compress(b"\5\1\1\1")),
    "JSON that is a list": said([1]),
    "JSON that is null": said(b"null"),
    "JSON that is only a tensor": said({"TORCHTENSOR": [[1.0]]}),
    "no JSON": said(b"\x80\x02cos\nsystem\n"),
    "JSON in another encoding": said(json.dumps(described([[0.5]])).encode("utf-16")),
    "a name twice": said(b'{"string_to_param":{},"string_to_param":{}}'),
    "rows of different length": said(described([[0.5, 1.0], [2.0]])),
    "text among the numbers": said(described([["0.5"]])),
    "truth values among the numbers": said(described([[0.5, True]])),
    "nothing among the numbers": said(described([[0.5, None]])),
    "a tensor in a tensor": said(described([[0.5, {"TORCHTENSOR": [1.0]}]])),
    "NaN": said(b'{"string_to_param":{"*":{"TORCHTENSOR":[[NaN]]}}}'),
    "infinity": said(b'{"string_to_param":{"*":{"TORCHTENSOR":[[-Infinity]]}}}'),
    "a number that overflows": said(b'{"string_to_param":{"*":{"TORCHTENSOR":[[1e999]]}}}'),
    "an integer of many digits": said(b'{"string_to_param":{"*":{"TORCHTENSOR":[[' + b"7" * 100_000 + b"]]}}}"),
    "integers beyond 64 bits": said(described([[2**63]])),
    "lists that nest deeply": said(b"[" * 100_000 + b"]" * 100_000),
    "a tensor of many axes": said(described([[[[[[[[0.5]]]]]]]])),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_picture_that_contradicts_itself_is_damaged(content):
    with pytest.raises(Damaged) as caught:
        opened(content)
    assert len(str(caught.value)) < 200


def zeros(length, before=b"", after=b""):
    """A zlib stream of `length` zeros, made without making them."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(min(length - at, 1 << 20))) for at in range(0, length, 1 << 20))
    return packer.compress(before) + body + packer.compress(after) + packer.flush()


BOMBS = {
    "text": lambda: png(chunk(b"zTXt", KEYWORD + b"\0\0" + zeros(1 << 28))),
    "international text": lambda: png(chunk(b"iTXt", KEYWORD + b"\0\1\0\0\0" + zeros(1 << 28))),
    "pixels": lambda: png(data=zeros(1 << 28)),
    "hidden text": lambda: picture(hide(zeros(1 << 28), NUMBERS.integers(1, 255, (64, 64, 3), np.uint8), np.ones(9))),
    "size": lambda: png(size=(2**31 - 1, 2**31 - 1), data=zlib.compress(b"")),
    "area": lambda: png(size=(20_000, 20_000), data=zeros(20_000)),
    "many numbers": lambda: said(b'{"string_to_param":{"*":{"TORCHTENSOR":[[' + b"0," * 8_000_000 + b"0]]}}}"),
    "many objects": lambda: said(b'{"x":[' + b"{}," * 3_000_000 + b"{}]}"),
    "long text": lambda: said({"name": "x" * (1 << 24)}),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_without_going_off(bomb):
    content = bomb()
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(FileError):
        opened(content)
    took = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 2
    assert peak < 150_000_000


def test_a_bomb_in_another_chunk_is_left_packed():
    content = png(chunk(b"iCCP", b"x\0\0" + zeros(1 << 26)), chunk(b"tEXt", KEYWORD + b"\0" + TEXT))
    assert leaf_of(opened(content)).shape == (1, 2)


NOTHING = {
    "black": np.zeros((64, 64, 3), np.uint8),
    "grey": np.full((64, 64, 3), 200, np.uint8),
    "even": np.full((64, 64, 3), 0xF0, np.uint8),
    "noise": NUMBERS.integers(1, 255, (64, 64, 3), np.uint8),
    "a pixel": np.ones((1, 1, 3), np.uint8),
}
for columns in ((5,), (5, 40), (20, 40), (0, 63)):
    NOTHING[f"noise with black columns {columns}"] = NUMBERS.integers(1, 255, (64, 64, 3), np.uint8)
    NOTHING[f"noise with black columns {columns}"][:, columns] = 0


@pytest.mark.parametrize("pixels", NOTHING.values(), ids=NOTHING)
def test_an_ordinary_picture_is_no_embedding(pixels):
    with pytest.raises(NotAnEmbedding, match="picture without an embedding in it; nothing to do"):
        opened(picture(pixels))


@pytest.mark.parametrize(("colour", "depth"), [(0, 8), (0, 16), (3, 8), (4, 8), (2, 4)])
def test_a_picture_of_few_colours_is_no_embedding(colour, depth):
    with pytest.raises(NotAnEmbedding, match="few colours"):
        opened(png(colour=colour, depth=depth))


@pytest.mark.parametrize("length", [1, 60, 1535, 1536, 1537, 5000])
@pytest.mark.parametrize("height", [64, 100, 512])
def test_hidden_bytes_are_found(length, height):
    content = NUMBERS.bytes(length)
    pixels = hide(content, NUMBERS.integers(0, 255, (height, 70, 3), np.uint8), NUMBERS.normal(size=768))
    found = hidden(pixels)
    assert found is not None
    assert found.startswith(content)
    assert found == (content * (len(found) // length + 1))[: len(found)]
    assert all(may_hide(pixels[:rows]) for rows in range(1, height + 1))


def test_hidden_bytes_are_found_within_a_black_frame():
    pixels = hide(b"embedding" * 99, NUMBERS.integers(0, 255, (64, 70, 3), np.uint8), NUMBERS.normal(size=768))
    framed = np.pad(pixels, ((5, 7), (3, 4), (0, 0)))
    found = hidden(framed)
    assert found is not None
    assert found.startswith(b"embedding" * 99)
    assert all(may_hide(framed[:rows]) for rows in range(1, len(framed) + 1))


def test_pixels_that_were_changed_are_damaged():
    pixels = hide(zlib.compress(NUMBERS.bytes(5000)), NUMBERS.integers(1, 255, (64, 64, 3), np.uint8), np.ones(9))
    pixels[5:9, 5:9] ^= 1
    with pytest.raises(Damaged, match="were changed"):
        opened(picture(pixels))


@pytest.mark.parametrize("filters", [(0,), (1,), (2,), (3,), (4,), (0, 1, 2, 3, 4), (4, 3, 2, 1, 0)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (40, 30), (17, 64)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pixels_are_unpacked_as_pillow_does(filters, height, width, mode):
    rows = NUMBERS.integers(0, 256, (height, 1 + width * len(mode)), np.uint8)
    rows[:, 0] = np.resize(filters, height)
    content = png(size=(width, height), colour={"RGB": 2, "RGBA": 6}[mode], data=zlib.compress(rows.tobytes()))
    expected = by_pillow(content, mode)
    np.testing.assert_array_equal(pixels_of(open_png(content, KEYWORD), lambda _: True), expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 5), (8, 8), (33, 21)])
@pytest.mark.parametrize("depth", [8, 16])
def test_interlaced_and_deep_pictures_are_unpacked_as_pillow_does(height, width, depth):
    raw = bytearray()
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for x, y, columns, rows in passes:
        shape = len(range(y, height, rows)), len(range(x, width, columns))
        for _ in range(shape[0] if shape[1] else 0):
            raw += bytes([NUMBERS.integers(5)]) + NUMBERS.bytes(shape[1] * 3 * depth // 8)
    content = png(size=(width, height), depth=depth, interlaced=1, data=zlib.compress(bytes(raw)))
    np.testing.assert_array_equal(pixels_of(open_png(content, KEYWORD), lambda _: True), by_pillow(content, "RGB"))


def by_pillow(content, mode):
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(content))
    assert image.mode == mode
    return np.asarray(image.convert("RGB"))


def saved_by_pillow(kind, **options):
    """A picture with an embedding, saved as `kind`, and the embedding's vectors."""
    leaf = vectors()
    image_module = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image = image_module.open(io.BytesIO(container_named("png").save(draft(leaf))))
    try:
        image.save(file, kind, **options)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow does not write {kind}")
    return file.getvalue(), leaf


def test_a_lossless_webp_is_read_whoever_wrote_it():
    content, leaf = saved_by_pillow("WEBP", lossless=True)
    assert leaf_of(opened(content, "webp")) == leaf
    own = container_named("webp").save(draft(leaf))
    assert leaf_of(opened(own, "webp")) == leaf
    assert own == container_named("webp").save(draft(leaf))


def test_a_lossless_jpeg_xl_is_read():
    pytest.importorskip("pillow_jxl")
    content, leaf = saved_by_pillow("JXL", lossless=True)
    assert container_named("jxl").claims(content[:64])
    assert leaf_of(opened(content, "jxl")) == leaf


def test_an_avif_saved_with_loss_is_no_embedding():
    content, _ = saved_by_pillow("AVIF", quality=60)
    assert container_named("avif").claims(content[:64])
    with pytest.raises(NotAnEmbedding):
        opened(content, "avif")


@pytest.mark.parametrize(
    ("options", "why"),
    [({"quality": 80}, "with loss"), ({"lossless": True, "save_all": True, "frames": 2}, "animated")],
)
def test_a_webp_that_cannot_carry_an_embedding_is_told(options, why):
    image_module = pytest.importorskip("PIL.Image")
    frames = [image_module.new("RGB", (9, 9), (number, 9, 9)) for number in range(options.pop("frames", 1))]
    more = {"append_images": frames[1:]} if len(frames) > 1 else {}
    file = io.BytesIO()
    frames[0].save(file, "WEBP", **options, **more)
    with pytest.raises(NotAnEmbedding, match=why):
        opened(file.getvalue(), "webp")


@pytest.mark.parametrize(
    "body",
    [
        b"VP8L" + struct.pack("<IBI", 9, 0x2F, 0x3FFF | 0x3FFF << 14) + bytes(5),
        b"VP8X" + struct.pack("<I", 10) + b"\0" * 4 + b"\xff" * 6,
    ],
)
def test_a_huge_webp_is_refused_before_room_is_made_for_it(body):
    with pytest.raises(NotAnEmbedding, match="too large to carry"):
        opened(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body, "webp")


@pytest.mark.parametrize("key", ["webp", "jxl"])
def test_what_needs_pillow_says_so_without_it(key, monkeypatch):
    for module in ("PIL.Image", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, module, None)
    content = {"webp": b"RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f" + bytes(17), "jxl": b"\xff\x0a" + bytes(30)}[key]
    with pytest.raises(Unreadable, match=r"pip install 'loanword\[images\]'"):
        opened(content, key)
    if key == "webp":
        with pytest.raises(CannotWrite, match="needs Pillow"):
            container_named(key).save(draft(vectors()))


def test_png_needs_no_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    leaf = vectors()
    content = container_named("png").save(draft(leaf))
    assert leaf_of(opened(content)) == leaf
    without_text = content.replace(b"tEXtsd-ti", b"tEXtxx-ti")
    start = without_text.index(b"tEXtxx-ti")
    length = int.from_bytes(without_text[start - 4 : start], "big")
    checksum = zlib.crc32(without_text[start : start + 4 + length])
    end = start + 4 + length
    assert leaf_of(opened(without_text[:end] + struct.pack(">I", checksum) + without_text[end + 4 :])) == leaf


@pytest.mark.parametrize("key", ["png", "webp", "avif", "jxl"])
@pytest.mark.parametrize(
    "content",
    [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", b"<svg/>", b"GIF89a", b"II*\0", b"BM", b"\xff\xd8\xff", b""],
)
def test_no_picture_claims_another_kind_of_file(key, content):
    assert not container_named(key).claims(content)


def changed_files(content):
    """Truncations at every few bytes and single flipped bits."""
    choose = random.Random(0)
    for end in range(0, len(content), max(1, len(content) // 60)):
        yield content[:end]
    for _ in range(150):
        at = choose.randrange(len(content))
        yield content[:at] + bytes([content[at] ^ 1 << choose.randrange(8)]) + content[at + 1 :]


@pytest.mark.parametrize("hidden_only", [False, True])
def test_a_changed_png_is_refused_or_says_the_same(hidden_only):
    leaf = Vectors.from_numpy(NUMBERS.normal(size=(1, 8)))
    content = container_named("png").save(draft(leaf)) if not hidden_only else small_hidden(leaf)
    for changed in changed_files(content):
        try:
            tree = opened(changed)
        except FileError:
            continue
        assert leaf_of(tree) == leaf


def small_hidden(leaf):
    text = json.dumps(described(leaf.numpy().astype(np.float64).tolist())).encode()
    return picture(hide(zlib.compress(text, 9), NUMBERS.integers(1, 255, (32, 20, 3), np.uint8), np.ones(9)))


@pytest.mark.parametrize(("kind", "key"), [("WEBP", "webp"), ("JXL", "jxl"), ("AVIF", "avif")])
def test_a_changed_picture_of_another_kind_is_refused_or_unpacked(kind, key):
    """Their pixels have no checksum of their own, but what is packed into them has one."""
    if kind == "JXL":
        pytest.importorskip("pillow_jxl")
    content, leaf = saved_by_pillow(kind, lossless=True) if kind != "AVIF" else saved_by_pillow(kind, quality=60)
    for changed in list(changed_files(content))[::8]:
        try:
            tree = opened(changed, key)
        except FileError:
            continue
        assert leaf_of(tree) == leaf
