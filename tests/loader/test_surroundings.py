"""Embeddings in pipelines that are offloaded, moved, halved, compiled, quantised or wearing a LoRA."""

import copy

import diffusers
import pytest
import tiny_pipelines
import torch
from by_hand import embedding
from loanword import CannotLoad
from loanword.loader.textual_inversion import load_textual_inversion, loaded, unload
from packaging.version import Version
from torch import nn

PROMPT = "a photo, EasyNegative here"
WORD = embedding("EasyNegative", 4)
VECTORS = torch.from_numpy(WORD.vectors["clip_l"].numpy())


@pytest.fixture(scope="module")
def pristine():
    return tiny_pipelines.clip_encoder(layers=1), tiny_pipelines.clip_tokenizer()


@pytest.fixture
def pipe(pristine):
    """A pipeline of its own, which a test may change for good."""
    encoder, tokenizer = twin(pristine)
    return tiny_pipelines.sd1(text_encoder=encoder, tokenizer=tokenizer, vae=tiny_pipelines.vae(), unet=None)


def twin(parts):
    """A copy whose parameters are its own but share their numbers until one of them is given others."""
    shared = {id(each): nn.Parameter(each.data, requires_grad=False) for each in parts[0].parameters()}
    return copy.deepcopy(parts, shared)


@pytest.fixture(scope="module")
def expected(pristine):
    """The conditioning of PROMPT with WORD, in an ordinary pipeline."""
    encoder, tokenizer = twin(pristine)
    ordinary = tiny_pipelines.sd1(text_encoder=encoder, tokenizer=tokenizer, vae=None, unet=None)
    load_textual_inversion(ordinary, WORD)
    return encode(ordinary)


@pytest.fixture(params=["loaded before", "loaded after"])
def around(request):
    """A function that loads WORD before or after a change to a pipeline."""

    def load_and(pipe, change):
        if request.param == "loaded before":
            load_textual_inversion(pipe, WORD)
        change(pipe)
        if request.param == "loaded after":
            load_textual_inversion(pipe, WORD)

    return load_and


def encode(pipe, prompt=PROMPT):
    with torch.no_grad():
        return pipe.encode_prompt(prompt, "cpu", 1, do_classifier_free_guidance=False)[0]


def run(pipe, prompt=PROMPT):
    """What the text encoder itself gives."""
    ids = pipe.tokenizer(prompt, padding="max_length", max_length=77, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return pipe.text_encoder(ids)[0]


def test_model_offload_goes_on_as_before(pipe, around, expected):
    around(pipe, lambda pipe: pipe.enable_model_cpu_offload(device="cpu"))
    hook = pipe.text_encoder._hf_hook
    assert torch.equal(encode(pipe), expected)
    load_textual_inversion(pipe, embedding("more", 2))
    unload(pipe)
    assert pipe.text_encoder._hf_hook is hook
    encode(pipe)


def test_model_offload_keeps_the_device_that_was_asked_for(pipe):
    pipe.enable_model_cpu_offload(device="cpu")
    before = (pipe._offload_device, pipe.text_encoder._hf_hook.execution_device)
    load_textual_inversion(pipe, WORD)
    unload(pipe)
    assert (pipe._offload_device, pipe.text_encoder._hf_hook.execution_device) == before


@pytest.mark.parametrize("buffers", [True, False])
def test_sequential_offload(pipe, around, expected, buffers):
    from accelerate import cpu_offload

    def offload(pipe):
        cpu_offload(pipe.text_encoder, torch.device("cpu"), offload_buffers=buffers)

    around(pipe, offload)
    table = pipe.text_encoder.get_input_embeddings()
    assert table.weight.is_meta
    assert torch.equal(run(pipe), expected)
    unload(pipe)
    assert table.weight.is_meta
    assert type(table) is nn.Embedding
    run(pipe, "a photo")


@pytest.mark.parametrize("kind", ["leaf_level", "block_level"])
def test_group_offload(pipe, around, expected, kind):
    from diffusers.hooks import apply_group_offloading

    if Version(diffusers.__version__) < Version("0.36"):
        pytest.skip("this version of diffusers cannot group-offload to the CPU")

    def offload(pipe):
        blocks = {"num_blocks_per_group": 1} if kind == "block_level" else {}
        device = torch.device("cpu")
        apply_group_offloading(
            pipe.text_encoder, onload_device=device, offload_device=device, offload_type=kind, **blocks
        )

    around(pipe, offload)
    assert torch.equal(encode(pipe), expected)
    unload(pipe)
    encode(pipe, "a photo")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_number_types_round_each_vector_once(pipe, around, dtype):
    around(pipe, lambda pipe: pipe.to(dtype))
    ids = torch.tensor(pipe.tokenizer("EasyNegative", add_special_tokens=False)["input_ids"])
    found = pipe.text_encoder.get_input_embeddings()(ids)
    assert found.dtype == dtype
    assert torch.equal(found, VECTORS.to(dtype))
    assert encode(pipe).dtype == dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "float8_e4m3fn"])
def test_files_of_every_number_type_are_taken_exactly(pipe, dtype):
    word = embedding("typed", 3, dtype=dtype)
    load_textual_inversion(pipe, word)
    ids = torch.tensor(pipe.tokenizer("typed", add_special_tokens=False)["input_ids"])
    found = pipe.text_encoder.get_input_embeddings()(ids)
    assert torch.equal(found, torch.from_numpy(word.vectors["clip_l"].numpy()))


def test_a_vector_that_half_precision_cannot_hold_is_refused(pipe):
    pipe.to(torch.float16)
    with pytest.raises(CannotLoad, match="'big' is too large for float16"):
        load_textual_inversion(pipe, embedding("big", 2, scale=1e6))
    assert loaded(pipe) == ()


def test_a_compiled_encoder_is_compiled_again_at_most_once_for_any_number_of_loads(pipe, around, expected):
    from torch._dynamo.testing import CompileCounter

    torch._dynamo.reset()
    counter = CompileCounter()

    def compiled(pipe):
        pipe.text_encoder = torch.compile(pipe.text_encoder, backend=counter)
        encode(pipe, "a photo")

    around(pipe, compiled)
    torch.testing.assert_close(encode(pipe), expected)
    graphs = counter.frame_count
    assert graphs <= 2
    for i in range(12):
        load_textual_inversion(pipe, embedding(f"w{i}x", 3))
        encode(pipe, f"a w{i}x photo")
    assert counter.frame_count == graphs
    unload(pipe)
    assert torch.isfinite(encode(pipe)).all()


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["token_embedding"], ["token_embedding", "q_proj"]])
def test_a_lora_on_the_text_encoder(pipe, around, expected, targets):
    peft = pytest.importorskip("peft")

    def adapt(pipe):
        torch.manual_seed(0)
        pipe.text_encoder.add_adapter(peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False), "x")

    around(pipe, adapt)
    ids = torch.tensor(pipe.tokenizer("EasyNegative", add_special_tokens=False)["input_ids"])
    assert torch.equal(pipe.text_encoder.get_input_embeddings()(ids), VECTORS)
    assert not torch.allclose(encode(pipe), expected, atol=1e-3)
    load_textual_inversion(pipe, embedding("more", 2))
    unload(pipe, "more")
    assert torch.equal(pipe.text_encoder.get_input_embeddings()(ids), VECTORS)
    pipe.text_encoder.disable_adapters()
    assert torch.equal(encode(pipe), expected)
    pipe.text_encoder.enable_adapters()
    unload(pipe)
    assert not [name for name, _ in pipe.text_encoder.named_modules() if "learned" in name]
    assert [name for name, _ in pipe.text_encoder.named_modules() if "lora" in name]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_a_lora_that_goes_leaves_the_embeddings(pipe, around, expected):
    peft = pytest.importorskip("peft")

    def wrap(pipe):
        config = peft.LoraConfig(r=2, target_modules=["token_embedding", "q_proj"], init_lora_weights=False)
        pipe.text_encoder = peft.get_peft_model(pipe.text_encoder, config)

    around(pipe, wrap)
    assert not torch.allclose(encode(pipe), expected, atol=1e-3)
    pipe.text_encoder = pipe.text_encoder.unload()
    assert torch.equal(encode(pipe), expected)
    unload(pipe)
    assert type(pipe.text_encoder.get_input_embeddings()) is nn.Embedding


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_quantised_token_table(pipe):
    quantization = pytest.importorskip("torch.ao.quantization")
    table = pipe.text_encoder.get_input_embeddings()
    table.qconfig = quantization.float_qparams_weight_only_qconfig
    small = torch.ao.nn.quantized.Embedding.from_float(table)
    parent = next(each for each in pipe.text_encoder.modules() if getattr(each, "token_embedding", None) is table)
    parent.token_embedding = small
    load_textual_inversion(pipe, WORD)
    ids = torch.tensor(pipe.tokenizer("EasyNegative cat", add_special_tokens=False)["input_ids"])
    found = pipe.text_encoder.get_input_embeddings()(ids)
    assert torch.equal(found[:4], VECTORS)
    unload(pipe)
    assert type(small) is torch.ao.nn.quantized.Embedding


def test_a_table_stored_in_eight_bits_rounds_the_vectors_as_it_rounds_its_own(pipe, around):
    from diffusers.hooks import apply_layerwise_casting

    def cast(pipe):
        apply_layerwise_casting(pipe.text_encoder, torch.float8_e4m3fn, torch.float32)

    around(pipe, cast)
    encode(pipe)
    ids = torch.tensor(pipe.tokenizer("EasyNegative", add_special_tokens=False)["input_ids"])
    found = pipe.text_encoder.get_input_embeddings()(ids)
    stored = pipe.text_encoder.get_input_embeddings().weight.dtype
    assert torch.equal(found.float(), VECTORS.to(stored).float())


def test_an_encoder_without_weights_is_refused(pristine):
    with torch.device("meta"):
        encoder = tiny_pipelines.clip_encoder(layers=1)
    pipe = tiny_pipelines.sd1(text_encoder=encoder, tokenizer=copy.deepcopy(pristine[1]), vae=None, unet=None)
    with pytest.raises(CannotLoad, match="has no weights yet"):
        load_textual_inversion(pipe, WORD)
    assert loaded(pipe) == ()


def test_a_load_inside_inference_mode_can_be_changed_outside(pipe, expected):
    with torch.inference_mode():
        load_textual_inversion(pipe, WORD)
        inside = encode(pipe)
    load_textual_inversion(pipe, embedding("more", 2))
    assert torch.equal(encode(pipe), inside)
    assert torch.equal(inside, expected)
    unload(pipe, "more")


def test_an_id_that_the_encoder_never_learned_is_an_error(pipe):
    load_textual_inversion(pipe, WORD)
    table = pipe.text_encoder.get_input_embeddings()
    for unknown in (-1, -2000, -1004, 49408):
        with pytest.raises(IndexError):
            table(torch.tensor([320, unknown]))


@pytest.mark.parametrize("eos", [2, 49407])
def test_pooled_output_is_taken_at_the_end_token(eos):
    encoder = tiny_pipelines.clip_encoder(layers=1, eos=eos, seed=3)
    pipe = tiny_pipelines.sd1(text_encoder=encoder, vae=None, unet=None)
    load_textual_inversion(pipe, WORD)
    ids = pipe.tokenizer(["EasyNegative a cat", "EasyNegative a dog"], padding="max_length", return_tensors="pt")[
        "input_ids"
    ]
    with torch.no_grad():
        result = encoder(ids)
    ends = ids.eq(49407).int().argmax(dim=-1)
    assert torch.equal(result.pooler_output, result.last_hidden_state[torch.arange(2), ends])
    assert not torch.allclose(result.pooler_output[0], result.pooler_output[1], atol=1e-3)
    config = encoder.config.eos_token_id
    unload(pipe)
    assert config == encoder.config.eos_token_id == eos
