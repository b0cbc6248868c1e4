"""From any format to any other and back, through the bytes of real files: the same embedding, or a refusal."""

import itertools

import pytest
import samples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from loanword.converters.files import read_bytes
from loanword.converters.format import all_formats
from loanword.converters.writing import render
from loanword.embeddings.dtypes import DTYPES
from loanword.embeddings.embedding import Vectors
from loanword.embeddings.errors import CannotWrite

WRITTEN = [key for key, row in all_formats().items() if row.build]
PAIRS = list(itertools.product(WRITTEN, repeat=2))

ODD_NAMES = st.sampled_from(
    ["<cat-toy>", "two words", "a.b.c", "Ünïcödé", "猫", "🦊🦊", "a/b\\c:d", "con", "..", "-x", "TOK"]
)
NAMES = (ODD_NAMES | st.text(min_size=1, max_size=20)).filter(lambda name: name != "*")


@st.composite
def embeddings(draw, key):
    """An embedding that the format can hold: the shape of one of its samples, everything else drawn."""
    like = draw(st.sampled_from(samples.WRITABLE[key]))
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    counts = {vectors.shape[0] for vectors in (*like.vectors.values(), *like.output_vectors.values())}
    count = draw(st.integers(1, 75)) if counts != {1} else 1
    seed = draw(st.integers(0, 255))

    def redrawn(vectors, layered=False):
        rows = vectors.shape[0] if layered else count
        size = rows * vectors.shape[1] * DTYPES[dtype].itemsize
        pattern = bytes((seed + 37 * position) % 251 for position in range(256))
        return Vectors(dtype, (rows, vectors.shape[1]), (pattern * (size // 256 + 1))[:size])

    return like.replace(
        name=draw(NAMES),
        aliases=tuple(draw(st.lists(NAMES, max_size=2))),
        provenance=draw(st.sampled_from([samples.FACTS, like.provenance])),
        vectors={encoder: redrawn(each) for encoder, each in like.vectors.items()},
        output_vectors={encoder: redrawn(each) for encoder, each in like.output_vectors.items()},
        layer_vectors={layer: redrawn(each, layered=True) for layer, each in like.layer_vectors.items()},
    )


def through(embedding, key):
    """The embedding after being written in a format and read again."""
    (file,) = render(embedding, format=key)
    (again,) = render(embedding, format=key)
    assert file.content == again.content, "the same embedding gave other bytes"
    (found,) = read_bytes(file.content, file.name)
    return found


def facts_of(embedding):
    origin = embedding.provenance
    return origin.step, origin.checkpoint_name, origin.checkpoint_hash, origin.metadata.get("author")


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{first}-{second}" for first, second in PAIRS])
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_there_and_back_nothing_changes(first, second, data):
    embedding = data.draw(embeddings(first))
    try:
        written = through(embedding, first)
    except CannotWrite:
        return
    assert written == embedding
    assert facts_of(written) == facts_of(embedding)
    try:
        there = through(written, second)
    except CannotWrite:
        return
    assert there == embedding
    assert facts_of(there) == facts_of(embedding)
    assert through(there, first) == embedding


@pytest.mark.parametrize("key", WRITTEN)
def test_each_formats_samples_survive_all_of_its_containers(key):
    for container in all_formats()[key].containers:
        for embedding in samples.WRITABLE[key]:
            try:
                (file,) = render(embedding, format=key, container=container)
            except CannotWrite:
                continue
            encoder = next(iter(embedding.vectors)) if len(embedding.vectors) == 1 else None
            (found,) = read_bytes(file.content, file.name, encoder=encoder)
            assert found.vectors == embedding.vectors
            assert found.output_vectors == embedding.output_vectors
            assert found.layer_vectors == embedding.layer_vectors


@given(name=NAMES)
@example(name="embedding")
@settings(deadline=None)
def test_any_name_survives_a_file_name(name):
    embedding = samples.WRITABLE["kohya"][0].replace(name=name, aliases=())
    assert through(embedding, "kohya").name == name
    assert through(embedding, "a1111").name == name
