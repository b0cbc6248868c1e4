"""Pickles by hand, instruction by instruction, and torch files around them."""

import io
import struct
import zipfile


def text(value):
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    return b"J" + struct.pack("<i", value)


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def list_of(*parts):
    return b"](" + b"".join(parts) + b"e"


def dict_of(pairs):
    return b"}(" + b"".join(text(key) + value for key, value in pairs.items()) + b"u"


def called(module, attribute, *arguments):
    return name(module, attribute) + tuple_of(*arguments) + b"R"


def pickle_of(body, protocol=2):
    return b"\x80" + bytes([protocol]) + body + b"."


def storage(key="0", kind="FloatStorage", count=768, location="cpu", legacy=False):
    parts = [text("storage"), name("torch", kind), text(key), text(location), number(count)]
    return tuple_of(*parts, *([b"N"] if legacy else [])) + b"Q"


def tensor(size=(1, 768), stride=None, offset=0, hooks=None, metadata=None, **of):
    if stride is None:
        stride = tuple(size[1] if axis == 0 else 1 for axis in range(len(size))) if len(size) == 2 else (1,) * len(size)
    parts = [
        storage(**of),
        number(offset),
        tuple_of(*map(number, size)),
        tuple_of(*map(number, stride)),
        b"\x89",
        called("collections", "OrderedDict") if hooks is None else hooks,
        *([] if metadata is None else [metadata]),
    ]
    return called("torch._utils", "_rebuild_tensor_v2", *parts)


def a1111(made=None, name_of_it="cat", **more):
    fields = {
        "string_to_token": dict_of({"*": number(265)}),
        "string_to_param": dict_of({"*": tensor() if made is None else made}),
        "name": text(name_of_it),
        "step": number(100),
        "sd_checkpoint": b"N",
        "sd_checkpoint_name": b"N",
    }
    return dict_of(fields | more)


def torch_zip(pickle, storages=(bytes(3072),), compression=zipfile.ZIP_STORED, top="archive", **more):
    """A torch file as Python's zipfile writes it; `more` are members beside the usual ones."""
    members = {"data.pkl": pickle, **{f"data/{key}": data for key, data in enumerate(storages)}, "version": b"3\n"}
    return zipped({f"{top}/{each}": data for each, data in (members | more).items()}, compression)


def zipped(members, compression=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for each, data in members.items():
            archive.writestr(zipfile.ZipInfo(each), data, compression)
    return content.getvalue()


def torch_legacy(pickle, storages, keys=None):
    """An old torch file; `storages` maps keys to the number of elements and the elements."""
    listed = list_of(*map(text, storages if keys is None else keys))
    machine = dict_of({"protocol_version": number(1001), "little_endian": b"\x88"})
    parts = [
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
        b"\x80\x02M\xe9\x03.",
        pickle_of(machine),
        pickle,
        pickle_of(listed),
    ]
    return b"".join(parts) + b"".join(struct.pack("<q", count) + data for count, data in storages.values())
