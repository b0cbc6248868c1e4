"""Search, filters, order, counts and pages, held to what plain Python makes of the same rows; health and likeness."""

import os
import unicodedata
from collections import Counter

import loanword
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loanword.converters.indexing import open_library
from loanword.embeddings.health import FINDINGS, examined
from loanword.embeddings.library import COLLISION, DUPLICATE, MEMORY, SORTS, UNKNOWN, Query, Remarks
from loanword.embeddings.prompts import fold
from samples import some

NAMES = ("Cat", "cat", "CAFÉ", "Cafe\u0301", "ß style", "50%_off", "<birb>", "cat two", "\\slash", "zebra")
ENCODERS = (("clip_l",), ("clip_h",), ("clip_l", "clip_g"), ("t5xxl",))
BROKEN = loanword.Vectors("float32", (2, 768), np.float32("nan").tobytes() * 1536)
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def stocked(tmp_path_factory):
    """Two folders of real files, and an index of them."""
    top = tmp_path_factory.mktemp("stocked")
    chance = np.random.default_rng(7)
    for number in range(48):
        folder = top / ("first", "second", "second/inner")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        encoders = ENCODERS[int(chance.integers(4))]
        seed = int(chance.integers(3))
        vectors = {encoder: some(1 + seed, encoder, seed=seed) for encoder in encoders}
        if number % 11 == 0:
            vectors = {"clip_l": BROKEN}
        facts = loanword.Provenance(metadata={"author": NAMES[number % 4]} if number % 5 else {})
        name = NAMES[int(chance.integers(len(NAMES)))]
        container = {"container": "torch-zip", "format": "diffusers"} if len(encoders) == 1 and number % 2 else {}
        (file,) = loanword.render(loanword.Embedding(name, vectors, provenance=facts), **container)
        path = folder / f"file {number}{os.path.splitext(file.name)[1]}"
        path.write_bytes(file.content)
        os.utime(path, ns=(10**18 + number % 7, 10**18 + number % 7))
    (top / "first" / "page.pt").write_bytes(b"<!DOCTYPE html>")
    (top / "second" / "half.pt").write_bytes(b"PK\3\4")
    places = [str(top / "first"), str(top / "second")]
    with open_library(str(top / "library.sqlite")) as library:
        library.scan(places)
        yield library, places


def plain(text):
    spelled = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in spelled if not unicodedata.combining(c))


def all_rows(library, places):
    """Every row, from the files alone: folder, file, embedding, position, collides, duplicates."""
    rows = [
        (place, file, embedding, position)
        for place in places
        for file in library.files([place])
        for position, embedding in enumerate(file.embeddings or [None])
    ]
    prints = Counter(each.fingerprint for _, _, each, _ in rows if each)
    names = {}
    for place, _, each, _ in rows:
        if each:
            names.setdefault((place, fold(each.name)), set()).add(each.fingerprint)
    return [
        (
            *row,
            bool(row[2]) and len(names[row[0], fold(row[2].name)]) > 1,
            prints[row[2].fingerprint] - 1 if row[2] else 0,
        )
        for row in rows
    ]


def texts(file, embedding):
    named = [embedding.name, *embedding.aliases, *embedding.metadata.values()] if embedding else []
    return plain("\n".join([os.path.basename(file.path), *named]))


def values_of(row):
    place, file, embedding, _, collides, duplicates = row
    marks = [*([DUPLICATE] if duplicates else []), *([COLLISION] if collides else [])]
    return {
        "base_model": {embedding.base_model or UNKNOWN} if embedding else set(),
        "format": {file.format} - {None},
        "folder": {place},
        "health": {*(embedding.health if embedding else ()), *marks},
        "kind": {file.kind},
    }


def sort_key(row, sort):
    _, file, embedding, position, _, _ = row
    norms = [norm for norms in embedding.norms.values() for norm in norms] if embedding else []
    value = {
        "name": fold(embedding.name if embedding else os.path.splitext(os.path.basename(file.path))[0]),
        "file": plain(os.path.basename(file.path)),
        "modified": file.modified_ns,
        "size": file.size,
        "tokens": embedding.tokens if embedding else None,
        "base-model": (embedding.base_model or UNKNOWN) if embedding else None,
        "format": file.format,
        "norm": max(norms) if norms and not np.isnan(norms).any() else None,
    }[sort]
    return value, (os.fsencode(file.path), position)


def expected(rows, query):
    wanted = {"base_model": query.base_models, "format": query.formats, "health": query.health, "kind": query.kinds}
    found, facets = [], {name: Counter() for name in (*wanted, "folder")}
    for row in rows:
        if not all(word in texts(row[1], row[2]) for word in plain(query.text).split()):
            continue
        values = values_of(row)
        unmet = [name for name, some_ in wanted.items() if some_ and not values[name] & set(some_)]
        if query.folders and not any(row[1].path.startswith(os.path.join(each, "")) for each in query.folders):
            unmet.append("folder")
        if not unmet:
            found.append(row)
        for name, facet in facets.items():
            if not unmet or unmet == [name]:
                facet.update(values[name])
    missing = [row for row in found if sort_key(row, query.sort)[0] is None]
    present = sorted((row for row in found if row not in missing), key=lambda row: sort_key(row, query.sort)[1])
    present.sort(key=lambda row: sort_key(row, query.sort)[0], reverse=query.descending)
    missing.sort(key=lambda row: sort_key(row, query.sort)[1])
    return [*present, *missing], {name: dict(facet) for name, facet in facets.items()}


def some_of(*values):
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


WORDS = st.sampled_from(
    ["", "cat", "CAFE", "é", "%", "_", "\\", "ss", "file 1", ".pt", "style cat", "zebra x", "<", "'"]
)
QUERIES = st.builds(
    loanword.Query,
    text=WORDS,
    base_models=some_of("sd1", "sd2", "sdxl", UNKNOWN),
    formats=some_of("a1111", "diffusers", "kohya", "comfyui"),
    health=some_of(DUPLICATE, COLLISION, "nan", "zeros"),
    kinds=some_of("embedding", "damaged", "not-an-embedding"),
    sort=st.sampled_from([*SORTS]),
    descending=st.booleans(),
    offset=st.integers(0, 20),
    limit=st.integers(1, 60),
)


@SETTINGS
@given(query=QUERIES, inner=st.booleans())
def test_a_page_is_what_plain_python_makes_of_the_rows(stocked, query, inner):
    library, places = stocked
    if inner:
        query = loanword.Query(**{**vars(query), "folders": (os.path.join(places[1], "inner"),)})
    rows, facets = expected(all_rows(library, places), query)
    page = library.page(places, query)
    assert page.total == len(rows)
    assert page.facets == facets
    shown = rows[query.offset : query.offset + query.limit]
    found = [(row.file.path, row.position, row.collides, row.duplicates) for row in page.rows]
    assert found == [(file.path, position, collides, twins) for _, file, _, position, collides, twins in shown]


def test_duplicates_and_collisions_are_grouped(stocked):
    library, places = stocked
    rows = all_rows(library, places)
    twins = {(file.path, position) for _, file, _, position, _, twins in rows if twins}
    groups = library.duplicates(places)
    assert {(row.file.path, row.position) for group in groups for row in group} == twins
    assert all(len({row.embedding.fingerprint for row in group}) == 1 for group in groups)
    clashing = {(file.path, position) for _, file, _, position, collides, _ in rows if collides}
    groups = library.collisions(places)
    assert {(row.file.path, row.position) for group in groups for row in group} == clashing
    assert all(len({fold(row.embedding.name) for row in group}) == 1 for group in groups)
    assert twins
    assert clashing


def test_nothing_is_sorted_by_what_there_is_not(stocked):
    library, places = stocked
    with pytest.raises(loanword.UnknownName, match="shoe size"):
        library.page(places, loanword.Query(sort="shoe size"))
    assert library.path != MEMORY


@pytest.mark.parametrize("text", ["\ud800", "\0", "a" * 100_000, "\n\t "])
def test_any_text_can_be_searched_for(stocked, text):
    library, places = stocked
    assert library.page(places, loanword.Query(text=text, base_models=("\ud800",))).total == 0
    assert library.page(places, loanword.Query()).total == 50
    assert library.path != MEMORY


def test_what_is_written_about_embeddings_is_searched_until_it_is_forgotten(tmp_path):
    place = tmp_path / "pair.bin"
    with open_library(str(tmp_path / "library.sqlite")) as library:

        def scanned(*names):
            loanword.write(
                [loanword.Embedding(each, {"clip_l": some(2)}) for each in names],
                place,
                format="diffusers",
                overwrite=True,
            )
            library.scan([str(tmp_path)])
            return found("café HOURS")

        def found(text):
            rows = library.page([str(tmp_path)], Query(text)).rows
            return [row.embedding.name for row in rows]

        assert scanned("<a>", "<b>") == []
        library.remember([Remarks(str(place), "first", ["", "of Cafe\u0301\nhours"])])
        assert found("café HOURS") == found("hours <b>") == ["<b>"]
        assert library.remarks([str(tmp_path)]) == {str(place): "first"}
        assert scanned("<a>", "<c>") == ["<c>"]
        assert library.remarks([str(tmp_path / "other")]) == {}
        library.remember([Remarks(str(place), "", ())])
        assert (found("hours"), library.remarks([str(tmp_path)])) == ([], {})


def test_the_same_name_in_two_folders_that_are_asked_about_is_no_collision(tmp_path):
    for number, folder in enumerate(("a", "b")):
        loanword.write(loanword.Embedding("style", {"clip_l": some(1, seed=number)}), tmp_path / folder / "style.pt")
    with open_library(MEMORY) as library:
        both = [str(tmp_path / "a"), str(tmp_path / "b")]
        library.scan(both)
        assert library.collisions(both) == []
        assert library.collisions([str(tmp_path)]) != []


def test_the_same_content_in_another_format_and_under_another_name_is_a_duplicate(tmp_path):
    original = loanword.Embedding("one", {"clip_l": some(4)})
    loanword.write(original, tmp_path / "one.pt")
    loanword.write(original.renamed("two"), tmp_path / "two.safetensors")
    loanword.write(original.cast("float16").renamed("three"), tmp_path / "three.safetensors")
    with open_library(MEMORY) as library:
        library.scan([str(tmp_path)])
        assert [[row.embedding.name for row in group] for group in library.duplicates([str(tmp_path)])] == [
            ["one", "two"]
        ]


def one(numbers, dtype="float32", encoder="clip_l"):
    width = {"clip_l": 768, "t5xxl": 4096}[encoder]
    rows = np.full((len(numbers), width), 0.02)
    for row, number in zip(rows, numbers, strict=True):
        row[:] = number
    return loanword.Embedding("one", {encoder: loanword.Vectors.from_numpy(rows, dtype)})


@pytest.mark.parametrize(
    ("embedding", "codes"),
    [
        (one([0.01, 0.02]), ()),
        (one([0.01, float("nan")]), ("nan",)),
        (one([float("nan"), float("nan")], "float16"), ("nan",)),
        (one([0.01, float("inf")], "bfloat16"), ("infinite",)),
        (one([float("-inf"), float("nan"), 0]), ("nan", "infinite", "zeros")),
        (one([0.0, 0.01]), ("zeros",)),
        (one([-0.0]), ("zeros",)),
        (one([100.0]), ("odd-norms",)),
        (one([1e-7]), ("odd-norms",)),
        (one([0.001, 1.0]), ("odd-norms",)),
        (one([100.0], encoder="t5xxl"), ()),
        (one([0.01, 10.0], encoder="t5xxl"), ("odd-norms",)),
        (one([1e300], "float64"), ("odd-norms",)),
        (one([1e-300], "float64"), ("odd-norms",)),
        (one([3e38]), ("odd-norms",)),
    ],
)
def test_health_is_what_the_numbers_show(embedding, codes):
    assert examined(embedding).codes == codes


@settings(deadline=None)
@given(exponents=st.lists(st.integers(-300, 300), min_size=1, max_size=4))
def test_lengths_are_right_at_every_magnitude(exponents):
    embedding = one([10.0**exponent for exponent in exponents], "float64")
    expected_ = [10.0**exponent * np.sqrt(768) for exponent in exponents]
    np.testing.assert_allclose(examined(embedding).norms["clip_l"], expected_, rtol=1e-9)


def test_every_finding_is_explained():
    for key, finding in FINDINGS.items():
        assert finding.key == key
        assert finding.sentence.endswith(".")
