"""The strict zip reader, with Python's zipfile as the oracle for what is sound, and lies in every field."""

import io
import struct
import time
import zipfile
import zlib

import pytest
from loanword.converters import zip_archive
from loanword.converters.source import Source, open_source
from loanword.converters.zip_archive import ZipArchive, zipped
from loanword.embeddings.errors import CannotWrite, Damaged, FileError, Unreadable

MEMBERS = {"archive/data.pkl": b"pickle" * 20, "archive/data/0": bytes(range(256)) * 8, "archive/version": b"3\n"}


def contents(content):
    """Everything an archive holds, read strictly."""
    archive = ZipArchive(open_source(content))
    return {name.decode(): bytes(archive.read(entry)) for name, entry in archive.entries.items()}


def streamed(members=None):
    """An archive that Python wrote without going back: descriptors follow the members."""
    content = _Unseekable()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in (members or MEMBERS).items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return content.getvalue()


class _Unseekable(io.BytesIO):
    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation

    def tell(self):
        raise io.UnsupportedOperation


class Lying:
    """An archive in which every field can say something else than what is true."""

    def __init__(self, members=None):
        self.members = [(name.encode(), data, {}) for name, data in (members or MEMBERS).items()]

    def lie(self, index, **fields):
        self.members[index][2].update(fields)
        return self

    def build(self, *, prefix=b"", between=b"", tail=b"", comment=b"", zip64=None, **end):
        body, directory, offsets = bytearray(prefix), bytearray(), []
        for name, data, lie in self.members:
            offsets.append(len(body))
            central = {"flags": 0, "method": 0, "crc": zlib.crc32(data), "packed": len(data), "size": len(data)}
            central |= {"name": name, "extra": b"", "disk": 0, "attributes": 0, "offset": len(body), "maker": 0}
            local = {key: lie.get(key, central[key]) for key in ("flags", "method", "crc", "packed", "size", "name")}
            local |= {"extra": b""} | {key[6:]: value for key, value in lie.items() if key.startswith("local_")}
            central |= {key: value for key, value in lie.items() if not key.startswith("local_")}
            fields = [local[key] for key in ("flags", "method")], [local[key] for key in ("crc", "packed", "size")]
            body += struct.pack(
                "<4s5H3I2H", b"PK\3\4", 20, *fields[0], 0, 33, *fields[1], len(local["name"]), len(local["extra"])
            )
            body += local["name"] + local["extra"] + lie.get("content", data) + lie.get("after", b"")
            directory += struct.pack(
                "<4s2B3H4x3I5H2I",
                b"PK\1\2",
                20,
                central["maker"],
                20,
                central["flags"],
                central["method"],
                central["crc"],
                central["packed"],
                central["size"],
                len(central["name"]),
                len(central["extra"]),
                0,
                central["disk"],
                0,
                central["attributes"],
                central["offset"],
            )
            directory += central["name"] + central["extra"]
        body += between
        start, count = len(body), len(self.members)
        body += directory
        record = {"disk": 0, "count": count, "length": len(directory), "start": start} | end
        if zip64 is not None:
            long = {"count": count, "length": len(directory), "start": start, "at": len(body)} | zip64
            body += struct.pack("<4sQ2H2I", b"PK\6\6", 44, 45, 45, 0, 0)
            body += struct.pack("<4Q", long["count"], long["count"], long["length"], long["start"])
            body += struct.pack("<4sIQI", b"PK\6\7", 0, long["at"], 1)
        body += struct.pack(
            "<4s4H2IH",
            b"PK\5\6",
            *(record["disk"], record["disk"], record["count"], record["count"]),
            *(record["length"], record["start"], len(comment)),
        )
        return bytes(body + comment + tail)


@pytest.mark.parametrize("stream", [False, True], ids=["seekable", "stream"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("large", [False, True], ids=["zip", "zip64"])
def test_what_python_writes_is_read(compression, stream, large):
    content = io.BytesIO() if not stream else _Unseekable()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in MEMBERS.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            with archive.open(info, "w", force_zip64=large) as member:
                member.write(data)
    assert contents(content.getvalue()) == MEMBERS


def test_what_it_writes_is_read_by_python():
    content = zipped(MEMBERS.items())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == MEMBERS
    assert contents(content) == MEMBERS


def test_what_it_writes_is_the_same_every_time_and_aligned():
    content = zipped(MEMBERS.items())
    assert content == zipped(MEMBERS.items())
    archive = ZipArchive(open_source(content))
    assert all(archive.start_of(entry) % 64 == 0 for entry in archive.entries.values())


def test_what_would_need_zip64_is_not_written(monkeypatch):
    monkeypatch.setattr(zip_archive, "LARGEST_OFFSET", 1000)
    with pytest.raises(CannotWrite):
        zipped(MEMBERS.items())


def test_an_archive_without_lies_is_read():
    assert contents(Lying().build()) == MEMBERS
    assert contents(Lying().build(zip64={})) == MEMBERS
    assert contents(Lying().build(zip64={}, start=0xFFFFFFFF, length=0xFFFFFFFF, count=0xFFFF)) == MEMBERS
    assert contents(Lying().lie(1, flags=1 << 11).build()) == MEMBERS
    assert contents(Lying({"é/data.pkl": b"x"}).build()) == {"é/data.pkl": b"x"}


def descriptor(data, layout="<4s3I", mark=b"PK\7\x08"):
    return struct.pack(layout, *([mark] if "s" in layout else []), zlib.crc32(data), len(data), len(data))


@pytest.mark.parametrize("layout", ["<4s3I", "<3I", "<4sI2Q", "<I2Q"])
def test_each_kind_of_descriptor_is_read(layout):
    lie = {"flags": 8, "local_crc": 0, "local_packed": 0, "local_size": 0}
    archive = Lying().lie(1, **lie, after=descriptor(MEMBERS["archive/data/0"], layout))
    assert contents(archive.build()) == MEMBERS


ZEROS = {"flags": 8, "local_crc": 0, "local_packed": 0, "local_size": 0}
LIES = {
    "another name": {"local_name": b"archive/data/9"},
    "a longer name": {"local_name": b"archive/data/00"},
    "another size": {"local_size": 10},
    "other sizes": {"local_size": 10, "local_packed": 10},
    "another method": {"local_method": 8},
    "other flags": {"local_flags": 1},
    "another checksum": {"local_crc": 1},
    "a wrong checksum": {"crc": 1},
    "encrypted": {"flags": 1},
    "patched": {"flags": 1 << 5},
    "strongly encrypted": {"flags": 1 << 6},
    "masked": {"flags": 1 << 13},
    "bzip2": {"method": 12},
    "packed and not": {"size": 4096},
    "shorter": {"packed": 1000, "size": 1000},
    "longer": {"packed": 5000, "size": 5000},
    "elsewhere": {"offset": 0},
    "beyond": {"offset": 10**6},
    "nowhere": {"offset": 0xFFFFFFFF},
    "on another disk": {"disk": 1},
    "a link": {"maker": 3, "attributes": 0o120777 << 16},
    "no descriptor": ZEROS,
    "a false descriptor": {**ZEROS, "after": descriptor(b"other")},
    "a descriptor with another mark": {**ZEROS, "after": descriptor(MEMBERS["archive/data/0"], mark=b"PK\7\7")},
    "a descriptor of another length": {**ZEROS, "after": bytes(17)},
    "something behind": {"after": b"x"},
    "a zip64 field that is none": {"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": b"\1\0\4\0abcd"},
    "a zip64 field that lies": {
        "size": 0xFFFFFFFF,
        "packed": 0xFFFFFFFF,
        "extra": struct.pack("<2H2Q", 1, 16, 2**50, 2**50),
    },
    "deflated beyond its size": {
        "method": 8,
        "content": (packed := zlib.compress(MEMBERS["archive/data/0"] * 2)[2:-4]),
        "packed": len(packed),
    },
    "deflated and cut": {
        "method": 8,
        "content": (packed := zlib.compress(MEMBERS["archive/data/0"])[2:-9]),
        "packed": len(packed),
    },
    "not deflated": {"method": 8},
    "deflated with something behind": {
        "method": 8,
        "content": (packed := zlib.compress(MEMBERS["archive/data/0"])[2:-4] + b"behind"),
        "packed": len(packed),
    },
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_member_that_contradicts_itself_is_damaged(lie):
    with pytest.raises(Damaged):
        contents(Lying().lie(1, **lie).build())


def twice():
    archive = Lying()
    archive.members.append((b"archive/data/0", b"other", {}))
    return archive


ENDS = {
    "a prefix, offsets true": lambda: Lying().build(prefix=bytes(64)),
    "a gap before the directory": lambda: Lying().build(between=bytes(70_000)),
    "something behind": lambda: Lying().build(tail=b"\n"),
    "a comment": lambda: Lying().build(comment=b"hello"),
    "an end record in the comment": lambda: Lying().build(comment=b"PK\5\6" + bytes(18)),
    "too few entries": lambda: Lying().build(count=1),
    "no entries": lambda: Lying().build(count=0),
    "too many entries": lambda: Lying().build(count=9),
    "several disks": lambda: Lying().build(disk=1),
    "a short directory": lambda: Lying().build(length=10),
    "a directory at the beginning": lambda: Lying().build(start=0),
    "a directory beyond the end": lambda: Lying().build(start=0xFFFFFFF0),
    "a zip64 locator elsewhere": lambda: Lying().build(zip64={"at": 0}),
    "a zip64 record with another count": lambda: Lying().build(zip64={"count": 1, "length": 60}),
    "a zip64 record with far too many": lambda: Lying().build(zip64={"count": 2**40}, count=0xFFFF),
    "two archives": lambda: Lying().build() + Lying().build(),
    "a name twice": lambda: twice().build(),
    "shared bytes": lambda: Lying().lie(2, offset=0, name=b"archive/x").build(),
    "nothing but an end": lambda: Lying().build()[-22:],
}


@pytest.mark.parametrize("build", ENDS.values(), ids=ENDS.keys())
def test_an_archive_that_can_be_read_in_two_ways_is_damaged(build):
    with pytest.raises(Damaged):
        contents(build())


@pytest.mark.parametrize("content", [zipped(MEMBERS.items()), streamed(), Lying().build(zip64={})])
def test_every_truncation_is_damaged(content):
    for length in range(len(content)):
        with pytest.raises(Damaged):
            contents(content[:length])


@pytest.mark.parametrize("content", [zipped(MEMBERS.items()), streamed(), Lying().build(zip64={})])
def test_every_changed_byte_is_noticed_or_changes_nothing(content):
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 0x15
        try:
            found = contents(bytes(changed))
        except FileError:
            continue
        assert list(found.values()) == list(MEMBERS.values())


def test_a_bomb_is_refused_by_what_it_says():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    lie = {"method": 8, "content": packed, "packed": len(packed), "crc": 0}
    with pytest.raises(Unreadable, match="inflates"):
        contents(Lying().lie(1, **lie, size=200 << 20).build())
    with pytest.raises(Damaged, match="inflates"):
        contents(Lying().lie(1, **lie, size=3072).build())


def test_a_directory_of_many_entries_is_refused_at_once():
    archive = Lying({f"archive/data/{key}": b"" for key in range(60_000)}).build()
    started = time.perf_counter()
    with pytest.raises(Damaged):
        contents(archive)
    assert time.perf_counter() - started < 0.5


def test_an_archive_beyond_4_gb_is_read_by_range(tmp_path):
    """As torch writes it: sizes and offsets in zip64 fields, descriptors with long sizes, a zip64 end."""
    small, large = b"\x80\x02}.", 5 << 30
    path = tmp_path / "large.ckpt"
    with path.open("wb") as file:
        rows = []
        for name, size, data in ((b"a/data/0", large, None), (b"a/data.pkl", len(small), small)):
            begin = file.tell()
            crc = 0x12345678 if data is None else zlib.crc32(data)
            file.write(struct.pack("<4s5H3I2H", b"PK\3\4", 0, 8, 0, 0, 0, 0, 0, 0, len(name), 0) + name)
            file.seek(size, io.SEEK_CUR) if data is None else file.write(data)
            file.write(struct.pack("<4sI2Q", b"PK\7\x08", crc, size, size))
            long = [value for value in (size, size, begin) if value >= 0xFFFFFFFF]
            extra = struct.pack(f"<2H{len(long)}Q", 1, 8 * len(long), *long) if long else b""
            fields = [min(value, 0xFFFFFFFF) for value in (size, size, begin)]
            rows.append(
                struct.pack(
                    "<4s6H3I5H2I",
                    b"PK\1\2",
                    0,
                    0,
                    8,
                    0,
                    0,
                    0,
                    crc,
                    *fields[:2],
                    len(name),
                    len(extra),
                    0,
                    0,
                    0,
                    0,
                    fields[2],
                )
                + name
                + extra
            )
        start = file.tell()
        file.write(b"".join(rows))
        here, length = file.tell(), len(b"".join(rows))
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 0, 45, 0, 0, 2, 2, length, start))
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, here, 1))
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, length, 0xFFFFFFFF, 0))
    with open_source(path) as source:
        archive = ZipArchive(source)
        assert archive.entries[b"a/data/0"].size == large
        assert bytes(archive.read(archive.entries[b"a/data.pkl"])) == small
        assert archive.start_of(archive.entries[b"a/data/0"]) == 38


def test_only_what_is_needed_is_read(tmp_path):
    path = tmp_path / "some.zip"
    path.write_bytes(zipped({**MEMBERS, "archive/data/1": bytes(6 << 20)}.items()))
    with open_source(path) as source:
        counting = _Counting(source)
        archive = ZipArchive(counting)
        archive.read(archive.entries[b"archive/data.pkl"])
    assert counting.read_so_far < 2000


class _Counting(Source):
    """A source that says how many bytes were asked of it."""

    def __init__(self, source):
        super().__init__(source.path, source.size, source.content, source.descriptor)
        self.read_so_far = 0

    def read(self, offset, length):
        self.read_so_far += length
        return super().read(offset, length)
