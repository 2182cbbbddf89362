"""The offline engine with an embedding model: real files, ONNX Runtime and tokenizers."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.embedding_model import MEANINGS, write_model
from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.ai.offline.embeddings.model_folder import MAX_TOKENS
from ticketctl.ai.offline.embeddings.sentence_encoder import SentenceEncoder
from ticketctl.ai.offline.engine.artifact import serialize
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.offline.provider import VERSION
from ticketctl.ai.providers.factory import ProviderFactory
from ticketctl.ai.taxonomy.loader import default_taxonomy, parse_taxonomy, taxonomy_from_labels
from ticketctl.errors import ConfigError
from ticketctl.settings import Settings
from ticketctl.tickets.models import Step

ROWS = [
    (f"{verb} {drink} {when}", label)
    for label, drinks in {"tea": ("tea", "sencha"), "coffee": ("coffee", "espresso")}.items()
    for verb in ("I drink", "bring me", "we like")
    for drink in drinks
    for when in ("today", "now", "please")
]


def expected(*words, pool=lambda rows: rows.mean(axis=0)):
    vector = pool(np.array([MEANINGS[word] for word in words], dtype=np.float32))
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        (None, lambda rows: rows.mean(axis=0)),
        ("mean_tokens", lambda rows: rows.mean(axis=0)),
        ("mean_sqrt_len_tokens", lambda rows: rows.sum(axis=0)),
        ("cls_token", lambda rows: rows[0]),
        ("max_tokens", lambda rows: rows.max(axis=0)),
        ("lasttoken", lambda rows: rows[-1]),
    ],
)
def test_tokens_are_pooled_as_the_folder_says(tmp_path, pooling, pool):
    encoder = SentenceEncoder(write_model(tmp_path / "tiny", pooling=pooling))
    vector = encoder.encode("tea please")
    assert vector == pytest.approx(expected("[CLS]", "tea", "please", pool=pool), abs=1e-6)
    assert np.array_equal(SentenceEncoder(tmp_path / "tiny").encode("tea please"), vector)


def test_the_newer_name_of_the_pooling_a_prefix_and_lower_case_are_read(tmp_path):
    write_model(
        tmp_path,
        pooling=None,
        place="onnx/model.onnx",
        inputs=["input_ids"],
        sentence_bert_config={"max_seq_length": 3, "do_lower_case": True},
        config_sentence_transformers={"prompts": {"query": "please "}, "default_prompt_name": "query"},
    )
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode": "lasttoken"}')
    assert SentenceEncoder(tmp_path).encode("TEA coffee") == pytest.approx(expected("tea"), abs=1e-6)


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800 lone", "🫖" * 5, "tea " * 50_000, "x" * 200_000])
def test_any_text_is_embedded_and_only_its_first_tokens_are_read(tmp_path, text):
    encoder = SentenceEncoder(write_model(tmp_path))
    vector = encoder.encode(text)
    assert vector.shape == (4,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vector, encoder.encode(text[:4_000]))
    if text.startswith("tea"):
        assert vector == pytest.approx(expected("[CLS]", *["tea"] * (MAX_TOKENS - 1)), abs=1e-5)


def spoil(name, content):
    def change(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda folder: (folder / "model.onnx").unlink(), "has no model.onnx"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (spoil("model.onnx", b"not a model"), "cannot be used: "),
        (spoil("tokenizer.json", b"{}"), "cannot be used: "),
        (spoil("config.json", b"[]"), "is not a JSON object"),
        (spoil("config.json", b"[" * 9_000), "is not valid JSON"),
        (spoil("1_Pooling/config.json", b'{"pooling_mode_weightedmean_tokens": true}'), "not supported"),
        (
            spoil(
                "1_Pooling/config.json", b'{"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}'
            ),
            "not supported: cls and max",
        ),
        (
            spoil("modules.json", b'[{"type": "sentence_transformers.models.Dense"}]'),
            "its module Dense is not in model.onnx",
        ),
    ],
)
def test_a_folder_that_is_no_such_model_is_refused_when_the_provider_is_made(tmp_path, change, problem):
    change(write_model(tmp_path))
    with pytest.raises(ConfigError) as refused:
        ProviderFactory(Settings(ai_embeddings=str(tmp_path)), default_taxonomy())
    assert problem in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "sentence-transformers model" in refused.value.hint or "supported are" in refused.value.hint


def test_a_missing_folder_and_unknown_inputs_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="is not a folder"):
        SentenceEncoder(tmp_path / "none")
    with pytest.raises(ConfigError, match="its inputs are input_ids, pixel_values"):
        SentenceEncoder(write_model(tmp_path, inputs=["input_ids", "pixel_values"])).encode("tea")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    with pytest.raises(ConfigError, match="not installed") as refused:
        ProviderFactory(Settings(ai_embeddings=str(write_model(tmp_path))), default_taxonomy())
    assert refused.value.hint == "pip install 'ticketctl[embeddings]'"


async def test_a_trained_model_answers_with_its_embedding_model_and_refuses_another(tmp_path):
    folder = write_model(tmp_path / "tiny")
    model = tmp_path / "drinks.model"
    model.write_bytes(serialize(train(ROWS, encoder=SentenceEncoder(folder))))
    settings = Settings(ai_embeddings=str(folder), ai_model_file=str(model))
    taxonomy = taxonomy_from_labels(["tea", "coffee"])
    providers = ProviderFactory(settings, taxonomy)
    async with providers.open_provider() as provider:
        for text, label in (("matcha", "tea"), ("ristretto", "coffee")):
            response = await provider.classify(ticket_from_text(text))
            assert (response.output.category, response.model) == (label, f"offline-{VERSION}+tiny")
        assert (await provider.extract(ticket_from_text("tea"))).model == f"offline-{VERSION}"
        fingerprint = provider.fingerprint(Step.CLASSIFY)
    with pytest.raises(ConfigError, match="needs the embedding model tiny"):
        ProviderFactory(Settings(ai_model_file=str(model)), taxonomy)
    other = write_model(tmp_path / "tiny", MEANINGS | {"tea": (0, 0, 0.5, 0.5)})
    with pytest.raises(ConfigError, match="not tiny with other files"):
        ProviderFactory(settings, taxonomy)
    model.write_bytes(serialize(train(ROWS, encoder=SentenceEncoder(other))))
    async with ProviderFactory(settings, taxonomy).open_provider() as provider:
        assert provider.fingerprint(Step.CLASSIFY) != fingerprint


async def test_a_taxonomys_examples_are_learnt_with_embeddings_and_cached(tmp_path):
    examples = {
        label: ", ".join(json.dumps(text) for text, of in ROWS if of == label) for label in ("tea", "coffee")
    }
    text = (
        'default_priority = "n"\ndefault_team = "t"\npriorities = [{name = "n"}]\nteams = [{name = "t"}]\n'
        f'[[categories]]\nname = "tea"\nexamples = [{examples["tea"]}]\n'
        f'[[categories]]\nname = "coffee"\nexamples = [{examples["coffee"]}]\n'
    )
    taxonomy = parse_taxonomy(text, "drinks")
    folder = write_model(tmp_path / "tiny")
    settings = Settings(ai_embeddings=str(folder), cache=str(tmp_path / "cache"), taxonomy="drinks")
    prints = set()
    for _ in range(2):
        async with ProviderFactory(settings, taxonomy).open_provider() as provider:
            response = await provider.classify(ticket_from_text("matcha"))
            assert (response.output.category, response.model) == ("tea", f"offline-{VERSION}+tiny")
            prints.add(provider.fingerprint(Step.CLASSIFY))
    assert len(prints) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1
    async with ProviderFactory(Settings(), taxonomy).open_provider() as provider:
        assert provider.fingerprint(Step.CLASSIFY) not in prints
        assert (await provider.classify(ticket_from_text("tea"))).model == f"offline-{VERSION}"


FORKED = """
import os, sys
from pathlib import Path
from ticketctl.ai.offline.embeddings.sentence_encoder import SentenceEncoder
encoder = SentenceEncoder(Path(sys.argv[1]))
before = encoder.encode("tea please").tolist()
child = os.fork()
if child == 0:
    # another text: the first vector is cached
    same = encoder.encode("tea  please").tolist() == before
    os._exit(0 if same else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_may_fork_after_it_has_embedded_a_text(tmp_path):
    """The laboratory's environments are forked, and ONNX Runtime's threads would be missing in them."""
    # numpy has a thread of its own, at whose sight Python 3.12 warns
    command = [sys.executable, "-W", "ignore", "-c", FORKED, os.fspath(write_model(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
