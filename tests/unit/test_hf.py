"""The transformers backend with tiny models made here: one random that never stops, one that says what it must."""

import sys

import pytest

from foretype.model.backend import BackendError, Cancel, Cancelled, ContextFile, FimRequest
from foretype.model.fim import FAMILIES
from foretype.model.hf import HfBackend

ADDED = [*sorted(FAMILIES["qwen2.5-coder"].reserved)]
ANSWER = "x=1\né;"


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """A function that saves a Qwen2 of two layers; after `<|fim_middle|>` it says `answer` and then ends."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    torch.set_num_threads(1)

    def make(answer=None):
        folder = tmp_path_factory.mktemp("model")
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE(vocab={letter: id for id, letter in enumerate(letters)}, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        # As Qwen has them: known to the tokenizer, but for `<|endoftext|>` not as special.
        tokenizer.add_tokens([AddedToken(token, special=token == "<|endoftext|>", normalized=False) for token in ADDED])
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>"
        ).save_pretrained(folder)
        torch.manual_seed(0)
        config = transformers.Qwen2Config(
            vocab_size=len(letters) + len(ADDED),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=False,
            initializer_range=0.3,
            eos_token_id=tokenizer.token_to_id("<|endoftext|>"),
        )
        model = transformers.Qwen2ForCausalLM(config)
        with torch.no_grad():
            model.lm_head.weight[len(letters) :] = 0
        if answer is not None:
            said = [tokenizer.token_to_id("<|fim_middle|>"), *tokenizer.encode(answer).ids]
            _say(torch, model, [*said, tokenizer.token_to_id("<|file_sep|>")])
        model.save_pretrained(folder)
        return str(folder)

    return make


def _say(torch, model, ids):
    """Layers that add nothing, and an output that answers each of `ids` with the next one."""
    assert len(set(ids)) == len(ids)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        directions = torch.nn.init.orthogonal_(torch.empty(len(ids), model.config.hidden_size))
        model.lm_head.weight.zero_()
        model.model.embed_tokens.weight[ids] = directions
        model.lm_head.weight[ids[1:]] = directions[:-1]


@pytest.fixture(scope="module")
def scripted(make):
    return HfBackend(make(ANSWER), device="cpu")


def complete(backend, **options):
    return backend.complete(FimRequest("a = ", "\n", **options), Cancel())


def test_answer_to_its_stop_token(scripted):
    result = complete(scripted)
    assert (result.text, result.finish, result.tokens) == (ANSWER, "stop", 7)
    assert len(result.logprobs) == 7
    assert all(value < 0 for value in result.logprobs)
    assert result.prompt_tokens == len("a = ") + len("\n") + 3


def test_single_line(scripted):
    result = complete(scripted, single_line=True)
    assert (result.text, result.finish, result.tokens) == ("x=1", "stop", 4)


def test_stop_predicate(scripted):
    result = complete(scripted, stop=lambda text: 2 if "1" in text else None)
    assert (result.text, result.finish, result.tokens) == ("x=", "stop", 3)


def test_length(scripted):
    result = complete(scripted, max_tokens=2)
    assert (result.text, result.finish) == ("x=", "length")


def test_length_inside_a_character(scripted):
    assert complete(scripted, max_tokens=5).text == "x=1\n"


def test_cancelled(scripted):
    cancel = Cancel()
    seen = []

    def stop(text):
        seen.append(text)
        cancel.set()

    with pytest.raises(Cancelled):
        scripted.complete(FimRequest("a", "b", stop=stop), cancel)
    assert seen == ["x"]
    with pytest.raises(Cancelled):
        scripted.complete(FimRequest("a", "b", stop=stop), cancel)
    assert seen == ["x"]
    assert complete(scripted).text == ANSWER


def test_text_that_looks_like_a_sentinel_stays_text(scripted):
    user = "".join(ADDED)
    request = FimRequest(user, user, path="m", files=(ContextFile("x", user),))
    ids = scripted._prompt(request)
    names = [token for token in scripted._tokenizer.convert_ids_to_tokens(ids) if token in ADDED]
    assert names == ["<|repo_name|>", *["<|file_sep|>"] * 2, "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
    text = scripted._tokenizer.decode(ids)
    assert text.count(user) == 3


def test_same_tokens_as_transformers_own_loop(make):
    torch = pytest.importorskip("torch")
    backend = HfBackend(make(), family="qwen2.5-coder", device="cpu")
    request = FimRequest("def f(a):\n    return " * 8, "\nprint(f(1))\n", max_tokens=12)
    prompt = backend._prompt(request)
    assert len(prompt) > 128
    out = backend._model.generate(
        torch.tensor([prompt]), max_new_tokens=12, do_sample=False, eos_token_id=sorted(backend._stop)
    )
    expected = [token for token in out[0, len(prompt) :].tolist() if token not in backend._stop]
    assert len(set(expected)) > 5
    result = backend.complete(request, Cancel())
    assert (result.text, result.tokens) == (backend._decode(expected), len(expected))


def test_prompt_that_does_not_fit_is_shortened(scripted):
    request = FimRequest("line\n" * 300, "more\n" * 300, files=(ContextFile("x", "y\n" * 300),), max_tokens=8)
    result = scripted.complete(request, Cancel())
    assert result.text == ANSWER
    assert 100 < result.prompt_tokens <= 504


def test_closed(make):
    backend = HfBackend(make(ANSWER), device="cpu")
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        complete(backend)


def test_model_of_another_family(make):
    with pytest.raises(BackendError, match="has no token <fim_prefix>"):
        HfBackend(make(ANSWER), family="starcoder2", device="cpu")


def test_folder_without_a_model(make, tmp_path):
    with pytest.raises(BackendError, match="cannot load") as caught:
        HfBackend(str(tmp_path), family="qwen2.5-coder")
    assert "\n" not in str(caught.value)


def test_missing_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendError, match=r"pip install 'foretype\[train\]'"):
        HfBackend("anything", family="qwen2.5-coder")


def test_unknown_family():
    with pytest.raises(BackendError, match="choose one of"):
        HfBackend("anything", family="gpt")


def test_a_folder_here_is_not_taken_for_the_hubs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some-model").mkdir()
    with pytest.raises(BackendError, match=r"write \./some-model"):
        HfBackend("some-model", family="qwen2.5-coder", device="cpu")
