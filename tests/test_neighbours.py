"""The library finds the embeddings that are most like one."""

from dataclasses import replace

import numpy as np
import pytest
from loanword import write
from loanword.converters.indexing import open_library
from loanword.embeddings.embedding import Embedding, Vectors
from loanword.extension.insight.neighbours import neighbours_of

RNG = np.random.default_rng(5)
WIDTHS = {"clip_l": 768, "clip_g": 1280}


def embedding_of(name, dtype="float32", **rows):
    return Embedding(name, {key: Vectors.from_numpy(np.asarray(each), dtype) for key, each in rows.items()})


def random_rows(count=3, key="clip_l"):
    return RNG.standard_normal((count, WIDTHS[key]))


@pytest.fixture
def library(tmp_path):
    with open_library(str(tmp_path / "library.sqlite")) as opened:
        yield opened


@pytest.fixture
def shelf(tmp_path, library):
    """Puts embeddings into a folder and takes stock of it."""
    folder = tmp_path / "embeddings"
    folder.mkdir()

    def put(*embeddings):
        for each in embeddings:
            write(each, folder / f"{each.name}.safetensors", overwrite=True)
        library.scan([str(folder)])
        return [str(folder)]

    return put


def found(embedding, library, folders, most=8):
    return [(each.name, round(each.similarity, 3)) for each in neighbours_of(embedding, library, folders, most)]


def test_the_most_similar_comes_first(library, shelf):
    rows = random_rows()
    close, farther = rows + 0.1 * random_rows(), rows + 1.0 * random_rows()
    folders = shelf(
        embedding_of("far", clip_l=random_rows()),
        embedding_of("farther", clip_l=farther),
        embedding_of("close", clip_l=close),
    )
    names = [name for name, _ in found(embedding_of("mine", clip_l=rows), library, folders)]
    assert names == ["close", "farther", "far"]


def test_similarity_is_that_of_the_means_or_of_the_vectors_one_by_one(library, shelf):
    rows = np.zeros((2, 768))
    rows[0, 0] = rows[1, 1] = 1
    swapped, long = rows[::-1], np.vstack([rows, rows])
    opposite = rows * [[1], [-1]]
    folders = shelf(
        embedding_of("swapped", clip_l=swapped),
        embedding_of("long", clip_l=long * 3),
        embedding_of("opposite", clip_l=opposite),
    )
    assert dict(found(embedding_of("mine", clip_l=rows), library, folders)) == {"swapped": 1, "long": 1, "opposite": 0}


def test_copies_are_left_out_and_the_same_in_another_dtype_is_not(library, shelf):
    mine = embedding_of("mine", clip_l=random_rows())
    folders = shelf(mine, mine.renamed("copy"), mine.cast("float16").renamed("half"))
    assert found(mine, library, folders) == [("half", 1.0)]
    assert len(found(mine.cast("bfloat16"), library, folders)) == 2


def test_only_shared_encoders_are_compared(library, shelf):
    rows, other = random_rows(), random_rows(key="clip_g")
    folders = shelf(
        embedding_of("l", clip_l=rows), embedding_of("lg", clip_l=rows, clip_g=-other), embedding_of("g", clip_g=other)
    )
    assert found(embedding_of("mine", clip_l=rows * 2), library, folders) == [("l", 1.0), ("lg", 1.0)]
    both = found(embedding_of("mine", clip_l=rows * 2, clip_g=other), library, folders)
    assert dict(both) == {"l": 1.0, "g": 1.0, "lg": 0.0}


def test_what_has_no_direction_is_nobodys_neighbour(library, shelf):
    broken, mixed = random_rows(), random_rows()
    broken[1, 3] = np.nan
    mixed[2] = 0
    folders = shelf(
        embedding_of("nan", clip_l=broken), embedding_of("zeros", clip_l=mixed * 0), embedding_of("mixed", clip_l=mixed)
    )
    assert [name for name, _ in found(embedding_of("mine", clip_l=mixed * 2), library, folders)] == ["mixed"]
    assert found(embedding_of("mine", clip_l=broken), library, folders) == []
    assert found(Embedding("x", output_vectors=embedding_of("x", clip_l=mixed).vectors), library, folders) == []


def test_files_that_changed_or_went_are_no_neighbours_of_old(library, shelf, tmp_path):
    rows = random_rows()
    mine = embedding_of("mine", clip_l=rows * 2)
    folders = shelf(
        embedding_of("a", clip_l=rows), embedding_of("b", clip_l=rows * 3), embedding_of("c", clip_l=rows * 4)
    )
    assert len(found(mine, library, folders)) == 3
    (tmp_path / "embeddings" / "a.safetensors").unlink()
    (tmp_path / "embeddings" / "b.safetensors").write_bytes(b"not any more")
    assert found(mine, library, folders) == [("c", 1.0)]
    shelf(embedding_of("c", clip_l=-rows))
    assert found(mine, library, folders) == [("c", -1.0)]


def test_files_are_read_for_their_directions_only_once(library, shelf):
    folders = shelf(*(embedding_of(f"e{i}", clip_l=random_rows()) for i in range(5)))
    read = []
    original = library._reader
    library._reader = replace(original, read=lambda path: read.append(path) or original.read(path))
    assert len(library.directions(folders, "clip_l")) == 5
    assert library.directions(folders, "clip_g") == []
    assert len(read) == 5
    shelf(embedding_of("new", clip_l=random_rows()))
    read.clear()
    assert len(library.directions(folders, "clip_l")) == 6
    assert len(read) == 1


def test_no_more_are_given_than_were_asked_for_and_folders_are_kept_to(library, shelf, tmp_path):
    folders = shelf(*(embedding_of(f"e{i}", clip_l=random_rows()) for i in range(12)))
    mine = embedding_of("mine", clip_l=random_rows())
    assert len(found(mine, library, folders, most=4)) == 4
    assert found(mine, library, [str(tmp_path / "elsewhere")]) == []
    everything = found(mine, library, folders, most=12)
    assert everything == sorted(everything, key=lambda each: -each[1])


def test_embeddings_of_one_file_are_told_apart(library, shelf, tmp_path):
    rows, other = random_rows(1), random_rows(1)
    both = [embedding_of("<one>", clip_l=rows), embedding_of("<two>", clip_l=other)]
    folders = shelf()
    write(both, tmp_path / "embeddings" / "both.bin", format="diffusers")
    library.scan(folders)
    (first, second) = neighbours_of(embedding_of("mine", clip_l=other * 2), library, folders)
    assert (first.name, first.position, second.name) == ("<two>", 1, "<one>")
