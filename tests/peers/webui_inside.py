"""Run by `webui.py` in the host's own Python, in its checkout: what prompts become inside the real WebUI.

`webui_inside.py PLAN ARGUMENT…`: PLAN is a JSON file with the cases, the arguments are the host's. Prints a JSON line
for each thing that was checked.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import json
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, ".")
PLAN = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
sys.argv = ["webui.py", *sys.argv[2:]]

import torch

TOLERANCE, MOVED = 1e-5, 1e-2


def say(what, outcome, detail=""):
    print("\nCHECK " + json.dumps({"what": what, "outcome": outcome, "detail": str(detail)[:300]}), flush=True)


@contextlib.contextmanager
def check(what):
    """Says that the block went well, or what was wrong."""
    try:
        yield
    except Exception as error:
        import traceback

        traceback.print_exc()
        say(what, "wrong", f"{type(error).__name__}: {error}")
    else:
        say(what, "right")


def boot():
    if importlib.util.find_spec("modules_forge"):
        importlib.import_module("modules_forge.initialization").initialize_forge()  # as launch.py does before all else
    initialize = importlib.import_module("modules.initialize")
    initialize.imports()
    if "xl" in PLAN:
        sys.path.append(PLAN["here"])
        importlib.import_module("webui_models").known_bigg(PLAN["work"])
    initialize.initialize()
    start_up()
    return initialize


def load_model():
    """Have the host load its selected checkpoint; Forge does so at the first generation only."""
    if importlib.util.find_spec("modules_forge") and importlib.util.find_spec("modules_forge.main_entry"):
        importlib.import_module("modules_forge.main_entry").refresh_model_loading_parameters()
        importlib.import_module("modules.sd_models").forge_model_reload()
    assert importlib.import_module("modules.shared").sd_model is not None


def conditioning(prompt):
    """What the loaded model's text encoder makes of a prompt, by the way that every generation takes."""
    parser = importlib.import_module("modules.prompt_parser")
    shared = importlib.import_module("modules.shared")
    if hasattr(shared.sd_model, "set_clip_skip"):
        shared.sd_model.set_clip_skip(int(shared.opts.CLIP_stop_at_last_layers))  # as generations do first
    with torch.no_grad(), importlib.import_module("modules.devices").autocast():
        found = parser.get_learned_conditioning(
            shared.sd_model, parser.SdConditioning([prompt], width=64, height=64), 20
        )
    cond = found[0][0].cond
    return cond["crossattn"] if isinstance(cond, dict) else cond


def same(left, right):
    a, b = conditioning(left).float(), conditioning(right).float()
    assert a.shape == b.shape, f"{left!r} {tuple(a.shape)}, {right!r} {tuple(b.shape)}"
    difference = float((a - b).abs().max())
    assert difference <= TOLERANCE, f"{left!r} and {right!r} differ by {difference:.3g}"


@functools.cache
def reference(word):
    """What the host makes of a file that it reads itself; it has to change the prompt, so that equal says something."""
    found, plain = (conditioning(f"a photo of {name} in red").float() for name in (word, "nothing much"))
    assert found.shape != plain.shape or float((found - plain).abs().max()) > MOVED, f"{word!r} changes nothing"
    return found


def compare(when, cases=None):
    """Every case against its reference, and against the prompt without it."""
    cases = cases or PLAN["cases"]
    wrong = []
    for case in cases:
        wanted = reference(case["reference"])
        found = conditioning(f"a photo of {case['word']} in red").float()
        if found.shape != wanted.shape or float((found - wanted).abs().max()) > TOLERANCE:
            wrong.append(case["file"])
    right = len(cases) - len(wrong)
    what = f"{right} of {len(cases)} files give the reference's conditioning, {when}"
    say(what, "wrong" if wrong else "right", "; ".join(wrong))


def generate(prompt, negative=""):
    """A picture by the host's own processing; returns its infotext."""
    processing = importlib.import_module("modules.processing")
    shared = importlib.import_module("modules.shared")
    scripts = importlib.import_module("modules.scripts")
    runner = scripts.ScriptRunner()
    runner.scripts = runner.alwayson_scripts = [_loanwords_script(scripts)]
    p = processing.StableDiffusionProcessingTxt2Img(
        sd_model=shared.sd_model,
        prompt=prompt,
        negative_prompt=negative,
        width=64,
        height=64,
        steps=1,
        do_not_save_samples=True,
        do_not_save_grid=True,
    )
    p.scripts = runner
    p.script_args = ()
    with importlib.import_module("modules.call_queue").queue_lock:
        return processing.process_images(p).infotexts[0]


def _loanwords_script(scripts):
    """Only ours: the others' arguments come from the page, which is not there."""
    row = next(row for row in scripts.scripts_data if row.path.endswith("loanword_tab.py"))
    script = row.script_class()
    script.filename, script.args_from, script.args_to = row.path, 0, 0
    return script


def main():
    initialize = boot()
    load_model()
    register = importlib.import_module("loanword.extension.webui.register")
    host = register.running().host
    say("host", "right", f"{host.key}, {host.base_model()}, lost {list(host.lost)}")
    if not any(database.word_embeddings for database in host.live_databases()):
        with check("a first generation"):
            generate("a photo")
    compare("at the start")
    folder = Path(PLAN["folder"])
    first = PLAN["cases"][0]
    with check("embedding:name is understood, also in weights and schedules"):
        same(f"a photo of embedding:{first['reference']}, red", f"a photo of {first['reference']}, red")
        same(f"a (embedding:{first['word']}:1.3) here", f"a ({first['word']}:1.3) here")
        same(f"a [embedding:{first['word']}:cat:5] here", f"a [{first['word']}:cat:5] here")
        same(f"a photo embedding:{first['word']}.safetensors in red", f"a photo {first['word']} in red")
    lengths(host, first["word"])
    generate("a photo")
    with check("TI hashes name each embedding once"):
        text = generate(f"a {first['word']}, (embedding:{first['word']}:1.1)", f"bad {first['reference']}")
        say("infotext", "right", text)
        assert "TI hashes: " in text
        listed = text.split("TI hashes: ")[1].split('"')[1].split(", ")
        assert len(listed) == len(set(listed)), listed
        assert {each.split(": ")[0] for each in listed} == {first["word"], first["reference"]}, listed
    with check("a file added in a subfolder works in the next generation"):
        (folder / "deep/er").mkdir(parents=True)
        generate("a photo")
        shutil.copy(folder / PLAN["cases"][0]["file"], folder / "deep/er/lwaddedfile.pt")
        generate("a photo")
        same("a lwaddedfile here", f"a {first['reference']} here")
    pages(first)
    compare("after a refresh of that page")
    with check("token tables"):
        tables = host.token_tables()
        assert tables
        assert min(len(table.words) for table in tables.values()) > 49000
        assert {table.rows.shape[1] for table in tables.values()} <= {768, 1024, 1280}
    bundles()
    models()
    sdxl_engines()
    reload_ui(initialize)
    compare("after Reload UI")
    with check("unloading the script takes every change back"):
        database = importlib.import_module(host.live_kind.module).EmbeddingDatabase
        importlib.import_module("modules.script_callbacks").script_unloaded_callback()
        assert database.load_from_file.__module__ == host.live_kind.module, database.load_from_file
        assert not hasattr(database.load_from_file, "__wrapped__")


def lengths(host, word):
    with check("the token counter counts vectors, and reports say what it shows"):
        counted = importlib.import_module("modules.ui").update_token_counter(f"a embedding:{word}", 20, [])
        assert "4/75" in str(counted), counted
        assert host.prompt_length(f"a embedding:{word}") == (4, 75)
    with check("of a prompt that is edited the longest text counts, and commas move words"):
        plain, edited = host.prompt_length("a cat"), host.prompt_length("a [cat:very old and very large dog:0.5]")
        assert edited[0] > plain[0] + 3, (plain, edited)
        words = "red " * 70 + "green, " + "blue " * 10
        moved, stays = host.prompt_length(words), host.prompt_length(words.replace(",", ""), negative=True)
        assert moved[0] > stays[0] + 1, (moved, stays)


def pages(first):
    with check("the Textual Inversion page lists every embedding, with a file that exists"):
        page = importlib.import_module(
            "modules.ui_extra_networks_textual_inversion"
        ).ExtraNetworksPageTextualInversion()
        items = {item["name"]: item for item in page.list_items()}
        missing = [case["word"] for case in PLAN["cases"] if case["word"] not in items]
        assert not missing, missing
        assert all(Path(item["filename"]).is_file() for item in items.values())
        assert items[first["word"]]["shorthash"], "no hash"
        page.refresh()


def start_up():
    """What the WebUI's own timer says of loanword's script."""
    records = importlib.import_module("modules.timer").startup_timer.records
    ours = {name: took for name, took in records.items() if "loanword" in name}
    say(f"its script adds {1000 * sum(ours.values()):.0f} ms to the start", "right" if ours else "wrong", ours)


def models():
    """To a model of another width and back: loaded anew, and brought back from memory."""
    if "xl" not in PLAN:
        return
    for limit in (1, 2):
        where = "from memory" if limit > 1 else "loaded anew"
        with check(f"SDXL and back, {where}"):
            importlib.import_module("modules.shared").opts.data["sd_checkpoints_limit"] = limit
            switch("small-sdxl")
            generate(f"a {PLAN['cases'][0]['word']}, {PLAN['cases'][0]['reference']}")
            compare(f"SDXL, {where}", PLAN["xl"])
            switch("small-sd1")
            generate(f"a {PLAN['xl'][0]['word']}, {PLAN['xl'][0]['reference']}")
            compare(f"SD 1.x again, {where}")
            switch("small-sdxl")
            generate(f"a {PLAN['cases'][0]['word']}")
            compare(f"SDXL again, {where}", PLAN["xl"])
            switch("small-sd1")
            generate("a photo")


def sdxl_engines():
    """Forge's two engines of SDXL with random text encoders of three layers: its whole model would be 5 GB."""
    if "engines" not in PLAN:
        return
    transformers = importlib.import_module("transformers")
    clip = importlib.import_module("backend.nn.clip").IntegratedCLIP
    make = importlib.import_module("backend.text_processing.classic_engine").ClassicTextProcessingEngine
    root = Path("backend/huggingface/stabilityai/stable-diffusion-xl-base-1.0")
    engines = {}
    for key, number in (("clip_l", ""), ("clip_g", "_2")):
        config = transformers.CLIPTextConfig.from_pretrained(root / f"text_encoder{number}", num_hidden_layers=3)
        engines[key] = make(
            text_encoder=clip(transformers.CLIPTextModel, config, add_text_projection=True).eval(),
            tokenizer=transformers.CLIPTokenizer.from_pretrained(root / f"tokenizer{number}"),
            embedding_dir=PLAN["folder"],
            embedding_key=key,
            embedding_expected_shape=2048,
            minimal_clip_skip=2,
            clip_skip=2,
            final_layer_norm=False,
        )
    for key, engine in engines.items():
        with torch.no_grad():
            said = {word: engine([f"a {word} here"]).float() for case in PLAN["engines"] for word in words_of(case)}
            plain, foreign = engine(["a here"]).float(), engine([f"a {PLAN['cases'][0]['word']} here"]).float()
        wrong = [
            case["file"]
            for case in PLAN["engines"]
            if float((said[case["word"]] - said[case["reference"]]).abs().max()) > TOLERANCE
            or float((said[case["reference"]] - plain).abs().max()) < MOVED
        ]
        right = len(PLAN["engines"]) - len(wrong)
        what = f"{right} of {len(PLAN['engines'])} files give the reference's conditioning in SDXL's engine {key}"
        say(what, "wrong" if wrong or not foreign.isfinite().all() else "right", wrong)


def words_of(case):
    return case["word"], case["reference"]


def switch(name):
    models = importlib.import_module("modules.sd_models")
    models.reload_model_weights(info=models.get_closet_checkpoint_match(name))
    importlib.import_module("modules.shared").opts.data["sd_model_checkpoint"] = name


def bundles():
    lora = PLAN["lora"]
    with check("an embedding inside a LoRA works while the LoRA is in the prompt"):
        importlib.import_module("modules.script_callbacks").before_ui_callback()  # where LoRAs are registered
        text = generate(f"a {lora['word']} <lora:{lora['name']}:1>")
        say("infotext of a bundle", "right", text)
        live = importlib.import_module("loanword.extension.webui.register").running().host.live_databases()
        assert all(lora["word"] in database.word_embeddings for database in live)
        same(f"a {lora['word']} here", f"a {lora['reference']} here")
        generate("a photo")
        assert not any(lora["word"] in database.word_embeddings for database in live)


def reload_ui(initialize):
    with check("Reload UI"):
        callbacks = importlib.import_module("modules.script_callbacks")
        callbacks.app_reload_callback()
        callbacks.script_unloaded_callback()
        initialize.initialize_rest(reload_script_modules=True)
        generate("a photo")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    say("time", "right", f"{time.perf_counter() - started:.1f} s")
