"""Whatever happens while a file is written: under its name there is the old content or the new, never a part."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
import tracemalloc
from pathlib import Path

import pytest
from loanword.converters import atomic
from loanword.converters.atomic import flush, write_atomic, write_atomic_in_pieces
from loanword.embeddings.errors import CannotWrite, Damaged

ROOT = Path(__file__).parents[1]
LINUX = sys.platform == "linux"
OLD, NEW = b"old" * 1000, b"new" * 2000


def accept(content):
    """A check that everything passes."""


def refuse(content):
    raise Damaged(f"{len(content)} bytes that are not what they should be")


def names_in(folder):
    return sorted(each.name for each in folder.iterdir())


def run(script, *arguments, **options):
    """Run a script in a process of its own, with loanword to import."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "checkout")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.fixture(params=["unnamed", "named", "without hard links"])
def way(request, monkeypatch):
    """The ways in which a system lets a file come into being; the later two stand for other systems than Linux."""
    if request.param != "unnamed":
        monkeypatch.setattr(atomic, "_UNNAMED", 0)
    if request.param == "without hard links":

        def link(source, target, **_):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)

        monkeypatch.setattr(os, "link", link)
    return request.param


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("content", [b"", b"x", NEW])
def test_a_new_file_is_there_with_its_content_and_nothing_else(tmp_path, durable, content):
    seen = []
    write_atomic(tmp_path / "a.pt", content, overwrite=False, check=seen.append, durable=durable)
    assert seen == [content]
    assert (tmp_path / "a.pt").read_bytes() == content
    assert names_in(tmp_path) == ["a.pt"]


@pytest.mark.usefixtures("way")
def test_missing_folders_are_made(tmp_path):
    write_atomic(tmp_path / "b" / "c" / "a.pt", NEW, overwrite=False, check=accept)
    assert names_in(tmp_path / "b" / "c") == ["a.pt"]


@pytest.mark.usefixtures("way")
def test_a_name_without_a_folder_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic("a.pt", NEW, overwrite=False, check=accept)
    write_atomic("a.pt", OLD, overwrite=True, check=accept)
    assert names_in(tmp_path) == ["a.pt"]


@pytest.mark.usefixtures("way")
def test_an_existing_file_stays_unless_overwriting_is_allowed(tmp_path):
    (tmp_path / "a.pt").write_bytes(OLD)
    with pytest.raises(CannotWrite, match=r"a\.pt: is already there"):
        write_atomic(tmp_path / "a.pt", NEW, overwrite=False, check=accept)
    assert (tmp_path / "a.pt").read_bytes() == OLD
    write_atomic(tmp_path / "a.pt", NEW, overwrite=True, check=accept)
    assert (tmp_path / "a.pt").read_bytes() == NEW
    assert names_in(tmp_path) == ["a.pt"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("overwrite", [True, False])
def test_what_the_check_refuses_gets_no_name(tmp_path, overwrite):
    if overwrite:
        (tmp_path / "a.pt").write_bytes(OLD)
    with pytest.raises(Damaged):
        write_atomic(tmp_path / "a.pt", NEW, overwrite=overwrite, check=refuse)
    assert names_in(tmp_path) == ["a.pt"] * overwrite
    if overwrite:
        assert (tmp_path / "a.pt").read_bytes() == OLD


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mode", [0o640, 0o600, 0o666, 0o755])
def test_the_permissions_of_a_replaced_file_stay(tmp_path, mode):
    (tmp_path / "a.pt").write_bytes(OLD)
    (tmp_path / "a.pt").chmod(mode)
    write_atomic(tmp_path / "a.pt", NEW, overwrite=True, check=accept)
    assert stat.S_IMODE((tmp_path / "a.pt").stat().st_mode) == mode


@pytest.mark.usefixtures("way")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "a.pt", NEW, overwrite=False, check=accept)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.pt").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_symbolic_link_is_neither_followed_nor_replaced(tmp_path, overwrite):
    (tmp_path / "elsewhere").write_bytes(OLD)
    (tmp_path / "a.pt").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "b.pt").symlink_to(tmp_path / "nowhere")
    for name in ("a.pt", "b.pt"):
        with pytest.raises(CannotWrite, match="symbolic link" if overwrite else "already there"):
            write_atomic(tmp_path / name, NEW, overwrite=overwrite, check=accept)
    assert (tmp_path / "elsewhere").read_bytes() == OLD
    assert names_in(tmp_path) == ["a.pt", "b.pt", "elsewhere"]


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_in_the_place_of_the_file_stays(tmp_path, overwrite):
    (tmp_path / "a.pt").mkdir()
    with pytest.raises(CannotWrite, match="not a regular file" if overwrite else "already there"):
        write_atomic(tmp_path / "a.pt", NEW, overwrite=overwrite, check=accept)
    assert names_in(tmp_path) == ["a.pt"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\0b.pt", "no file name"),
        ("\ud800.pt", "no file name"),
        ("x" * 300, "too long"),
        ("file/a.pt", "not a folder"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_a_reason(tmp_path, name, why):
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(CannotWrite, match=why):
        write_atomic(os.path.join(tmp_path, name), NEW, overwrite=False, check=accept)
    assert names_in(tmp_path) == ["file"]


@pytest.mark.skipif(not LINUX, reason="limits the size of files as only Unix can")
@pytest.mark.parametrize("unnamed", ["os.O_TMPFILE", "0"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, overwrite, unnamed):
    if overwrite:
        (tmp_path / "a.pt").write_bytes(OLD)
    script = """
        import os, resource, sys
        from loanword.converters import atomic
        from loanword.embeddings.errors import CannotWrite
        atomic._UNNAMED = {unnamed}
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            atomic.write_atomic(sys.argv[1], bytes(100_000), overwrite={overwrite}, check=lambda content: None)
        except CannotWrite as error:
            print(error)
    """
    child = run(script.format(overwrite=overwrite, unnamed=unnamed), tmp_path / "a.pt")
    printed, errors = child.communicate(timeout=60)
    assert errors == ""
    assert printed.strip() == f"{tmp_path / 'a.pt'}: files may not grow that large here; write elsewhere"
    assert names_in(tmp_path) == ["a.pt"] * overwrite
    if overwrite:
        assert (tmp_path / "a.pt").read_bytes() == OLD


@pytest.mark.skipif(not LINUX, reason="needs a device that is always full")
def test_no_space_left_is_said_so(tmp_path, monkeypatch):
    """/dev/full gives the error that a full disk gives; the file's bytes are sent there."""
    full = os.open("/dev/full", os.O_WRONLY)
    write = os.write
    monkeypatch.setattr(os, "write", lambda _, content: write(full, content))
    try:
        with pytest.raises(CannotWrite, match="the disk is full"):
            write_atomic(tmp_path / "a.pt", NEW, overwrite=False, check=accept)
    finally:
        os.close(full)
    assert names_in(tmp_path) == []


@pytest.mark.skipif(not LINUX, reason="changes the user of a process as only Unix can")
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_that_may_not_be_written_to_is_said_so(tmp_path, overwrite):
    folder = tmp_path / "closed"
    folder.mkdir()
    if overwrite:
        (folder / "a.pt").write_bytes(OLD)
    folder.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    script = """
        import os, sys
        from loanword.converters.atomic import write_atomic
        from loanword.embeddings.errors import CannotWrite
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        try:
            write_atomic(sys.argv[1], b"new", overwrite={overwrite}, check=lambda content: None)
        except CannotWrite as error:
            print(error)
    """
    child = run(script.format(overwrite=overwrite), folder / "a.pt")
    printed, errors = child.communicate(timeout=60)
    assert errors == ""
    assert printed.strip() == f"{folder / 'a.pt'}: may not be written here; allow it, or write elsewhere"
    assert names_in(folder) == ["a.pt"] * overwrite


WRITER = """
    import sys
    from loanword.converters.atomic import write_atomic
    target, overwrite, durable, size = sys.argv[1], sys.argv[2] == "overwrite", sys.argv[3] == "durable", 200_000
    print("ready", flush=True)
    for turn in range(1_000_000):
        content = bytes([turn % 256]) * (size + turn % 7)
        name = target if overwrite else f"{target}-{turn}"
        write_atomic(name, content, overwrite=overwrite, check=lambda content: None, durable=durable)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("durable", ["durable", "fast"])
@pytest.mark.parametrize("overwrite", ["overwrite", "create"])
def test_a_process_killed_at_any_moment_leaves_only_whole_files(tmp_path, overwrite, durable):
    choose = random.Random(0)
    for turn in range(15):
        child = run(WRITER, tmp_path / f"{turn}.pt", overwrite, durable)
        assert child.stdout.readline() == "ready\n"
        time.sleep(choose.uniform(0.0, 0.05))
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=60)
    left = names_in(tmp_path)
    temporary = [name for name in left if atomic.TEMPORARY.fullmatch(name)]
    for name in set(left) - set(temporary):
        content = (tmp_path / name).read_bytes()
        assert len(content) in range(200_000, 200_007)
        assert content == content[:1] * len(content)
    assert len(left) > len(temporary)
    if LINUX and overwrite == "create":
        assert temporary == []


def test_eight_writers_and_a_reader_see_whole_files_only(tmp_path):
    script = """
        import sys
        from loanword.converters.atomic import write_atomic
        target, letter = sys.argv[1], sys.argv[2].encode()
        for _ in range(60):
            write_atomic(target, letter * 300_000, overwrite=True, check=lambda content: None, durable=False)
    """
    target = tmp_path / "a.pt"
    children = [run(script, target, letter) for letter in "abcdefgh"]
    seen = set()
    while any(child.poll() is None for child in children):
        if target.exists():
            content = target.read_bytes()
            assert len(content) == 300_000
            assert len(set(content)) == 1
            seen.add(content[0])
    assert [child.communicate(timeout=60)[1] for child in children] == [""] * 8
    assert seen
    assert names_in(tmp_path) == ["a.pt"]


def test_of_writers_that_may_not_overwrite_exactly_one_wins(tmp_path):
    script = """
        import sys
        from loanword.converters.atomic import write_atomic
        from loanword.embeddings.errors import CannotWrite
        for turn in range(40):
            try:
                write_atomic(f"{sys.argv[1]}/{turn}", b"x", overwrite=False, check=lambda content: None, durable=False)
            except CannotWrite:
                continue
            print(turn)
    """
    children = [run(script, tmp_path) for _ in range(4)]
    outputs = [child.communicate(timeout=60) for child in children]
    assert [errors for _, errors in outputs] == [""] * 4
    assert sorted(int(line) for printed, _ in outputs for line in printed.split()) == list(range(40))


def test_old_temporary_files_are_removed_and_nothing_else(tmp_path):
    old, young, foreign = ".loanword-0123456789abcdef.tmp", ".loanword-fedcba9876543210.tmp", ".loanword-x.tmp"
    for name in (old, young, foreign):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".loanword-1111111111111111.tmp").mkdir()
    long_ago = time.time() - 2 * atomic.STALE_AFTER
    for name in (old, foreign, ".loanword-1111111111111111.tmp"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    write_atomic(tmp_path / "a.pt", NEW, overwrite=False, check=accept)
    assert names_in(tmp_path) == sorted([young, foreign, ".loanword-1111111111111111.tmp", "a.pt"])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_large_file_is_written_in_pieces_that_are_never_together_in_memory(tmp_path, overwrite):
    if overwrite:
        (tmp_path / "lora.safetensors").write_bytes(OLD)
    piece = bytes(1024 * 1024)
    tracemalloc.start()
    write_atomic_in_pieces(tmp_path / "lora.safetensors", lambda: [piece] * 50, overwrite=overwrite)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "lora.safetensors").stat().st_size == 50 * len(piece)
    assert names_in(tmp_path) == ["lora.safetensors"]
    assert peak < 8_000_000


def test_pieces_that_do_not_come_back_from_the_disk_are_noticed(tmp_path, monkeypatch):
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, length: read(descriptor, length)[:-1])
    with pytest.raises(Damaged, match="read back"):
        write_atomic_in_pieces(tmp_path / "a.pt", lambda: [OLD, NEW], overwrite=False)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("count", [1, 20])
def test_flushing_takes_any_number_of_files(tmp_path, count):
    paths = [tmp_path / str(number) for number in range(count)]
    for path in paths:
        write_atomic(path, NEW, overwrite=False, check=accept, durable=False)
    flush(paths)
    assert all(path.read_bytes() == NEW for path in paths)


def test_flushing_what_is_gone_says_so(tmp_path):
    with pytest.raises(CannotWrite, match=r"a\.pt: cannot be flushed"):
        flush([tmp_path / "a.pt"])


def test_a_disk_that_fails_to_flush_gives_no_name(tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(CannotWrite, match="cannot be written"):
        write_atomic(tmp_path / "a.pt", NEW, overwrite=False, check=accept)
    assert names_in(tmp_path) == []
