"""`loanword look`: one embedding from inside, on the command line."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import loanword
import numpy as np
import pytest
from click.testing import CliRunner
from loanword.__main__ import main
from loanword.converters.container import container_named
from loanword.converters.payload import Draft
from loanword.embeddings.errors import Damaged, FileError, Unreadable
from loanword.extension.insight.model_folders import tables_in
from samples import some

WORDS = ["a</w>", "b</w>", "cat"]
ROWS = np.eye(3, 768, dtype=np.float32)


def tensors(**named):
    return container_named("safetensors").save(Draft(named))


def save_encoder(folder, rows=ROWS, name="text_model.embeddings.token_embedding.weight", dtype="float32", suffix=""):
    encoder = Path(folder, f"text_encoder{suffix}")
    encoder.mkdir(parents=True)
    weight = {name: loanword.Vectors.from_numpy(rows, dtype), "final.bias": loanword.Vectors.from_numpy(rows[:1])}
    (encoder / "model.safetensors").write_bytes(tensors(**weight))


def save_words(folder, content, name="vocab.json", suffix=""):
    tokenizer = Path(folder, f"tokenizer{suffix}")
    tokenizer.mkdir(parents=True, exist_ok=True)
    (tokenizer / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An embedding, a folder with some more, and a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOANWORD_LIBRARY", str(tmp_path / "library.sqlite"))
    rows = np.vstack([ROWS[0] * 3, ROWS[2] + ROWS[1] / 2])
    loanword.write(loanword.Embedding("style", {"clip_l": loanword.Vectors.from_numpy(rows)}), "style.pt")
    loanword.write(loanword.Embedding("near", {"clip_l": loanword.Vectors.from_numpy(rows * 2)}), "others/near.pt")
    loanword.write(loanword.Embedding("far", {"clip_l": some(2)}), "others/far.pt")
    save_encoder("model")
    save_words("model", {word: number for number, word in enumerate(WORDS)})


def look(*arguments):
    return CliRunner().invoke(main, ["look", *map(str, arguments)])


def test_look_says_what_is_inside():
    result = look("style.pt", "--model", "model", "--among", "others")
    assert result.exit_code == 0, result.output
    name, *lines = result.stdout.splitlines()
    assert name == "style:"
    assert "  Vector 1 is nearest to the words “a” (1.00), “b” (0.00), “cat…” (0.00)." in lines
    assert lines[-1].startswith("  In the library it is most like near (1.00), far (")


def test_look_without_a_model_says_what_is_missing():
    result = look("style.pt")
    assert "  Nearest words: no model with this text encoder is loaded" in result.stdout


def test_look_json_is_for_programs():
    (values,) = json.loads(look("style.pt", "--json", "--model", "model").stdout)
    assert values["encoders"][0]["words"][1][0] == {"word": "cat…", "similarity": 0.8944}
    assert values["text"][0] == "CLIP ViT-L/14: 2 vectors."


def test_look_draws_pictures_and_replaces_none_unasked():
    pytest.importorskip("matplotlib")
    result = look("style.pt", "--pictures", "drawn")
    assert result.exit_code == 0, result.output
    names = ["style-clip_l-norms.svg", "style-clip_l-similarity.svg"]
    assert sorted(path.name for path in Path("drawn").iterdir()) == names
    assert all(ET.fromstring(path.read_bytes()).tag.endswith("svg") for path in Path("drawn").iterdir())
    assert look("style.pt", "--pictures", "drawn").exit_code == 1
    assert look("style.pt", "--pictures", "drawn", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("missing.pt",), 1, "missing.pt: "),
        (("style.pt", "--model", "others"), 1, "others: holds no text encoder"),
        (("style.pt", "--among", "nowhere"), 2, "nowhere cannot be listed"),
    ],
)
def test_look_refuses_in_a_line(arguments, status, message):
    result = look(*arguments)
    assert result.exit_code == status
    assert message in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tables_are_read_in_every_dtype(dtype, tmp_path):
    save_encoder(tmp_path / "m", dtype=dtype)
    save_words(tmp_path / "m", {word: number for number, word in enumerate(WORDS)})
    (table,) = tables_in(str(tmp_path / "m")).values()
    assert (table.rows == ROWS).all()
    assert table.rows.dtype == np.float32
    assert table.words == WORDS


def test_every_encoder_of_a_model_is_found_in_either_kind_of_vocabulary(tmp_path):
    folder = tmp_path / "m"
    save_encoder(folder)
    save_words(folder, {"model": {"vocab": {"a": 0, "c": 2}}}, "tokenizer.json")
    save_encoder(folder, np.ones((2, 1280)), suffix="_2")
    save_words(folder, {"a": 0, "b": 1}, suffix="_2")
    save_encoder(folder, np.ones((2, 4096)), "shared.weight", suffix="_3")
    save_words(folder, {"model": {"vocab": [["▁a", -1], ["b", -2]]}}, "tokenizer.json", "_3")
    words = {key: table.words for key, table in tables_in(str(folder)).items()}
    assert words == {"clip_l": ["a", "", "c"], "clip_g": ["a", "b"], "t5xxl": ["▁a", "b"]}


@pytest.mark.parametrize("content", [[3], 3, {"a": "b"}, {"a": -5}, {"a": 10**12}, {"model": {}}, None, {}])
def test_a_vocabulary_that_is_none_is_damaged(content, tmp_path):
    save_encoder(tmp_path / "m")
    save_words(tmp_path / "m", content, "vocab.json")
    with pytest.raises(Damaged, match=r"vocab\.json: is no vocabulary"):
        tables_in(str(tmp_path / "m"))


def test_a_model_without_words_or_with_damaged_weights_is_refused(tmp_path):
    save_encoder(tmp_path / "m")
    with pytest.raises(Unreadable, match="name the words"):
        tables_in(str(tmp_path / "m"))
    weights = tmp_path / "m" / "text_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4000])
    with pytest.raises(FileError) as caught:
        tables_in(str(tmp_path / "m"))
    assert str(caught.value).startswith(str(weights))


def test_tables_are_those_that_transformers_reads(tmp_path):
    pipelines = pytest.importorskip("tiny_pipelines", exc_type=ImportError)
    pipe = pipelines.sdxl()
    for name in ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"):
        getattr(pipe, name).save_pretrained(tmp_path / name)
    tables = tables_in(str(tmp_path))
    for key, encoder, tokenizer in (
        ("clip_l", pipe.text_encoder, pipe.tokenizer),
        ("clip_g", pipe.text_encoder_2, pipe.tokenizer_2),
    ):
        assert (tables[key].rows == encoder.get_input_embeddings().weight.numpy()).all()
        assert tables[key].words[320] == tokenizer.convert_ids_to_tokens(320) == "a</w>"
