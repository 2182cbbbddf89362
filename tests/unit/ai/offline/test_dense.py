"""Training and prediction with the vectors of an embedding model; here a fake one, without files."""

import dataclasses

import numpy as np
import pytest

from ticketctl.ai.offline.engine.artifact import deserialize, serialize
from ticketctl.ai.offline.engine.dense import fit_scaling
from ticketctl.ai.offline.engine.features import FIXED_POINT_ONE
from ticketctl.ai.offline.engine.model_store import model_file_name
from ticketctl.ai.offline.engine.training import PROGRESS_STEPS, train
from ticketctl.errors import ConfigError, InvalidInputError

DRINKS = {"tea": ("tea", "sencha", "oolong"), "coffee": ("coffee", "espresso", "mocha")}
ROWS = [
    (f"{verb} {drink} {when}", label)
    for label, drinks in DRINKS.items()
    for verb in ("I drink", "please bring me", "we like")
    for drink in drinks
    for when in ("today", "now")
]


class Meanings:
    """An embedding model that knows what drinks are, also those that no training text names."""

    name = "meanings"

    def __init__(self, digest="d1"):
        self.digest = digest

    def encode(self, text):
        words = set(text.split())
        vector = np.array(
            [
                len(words & {*DRINKS["tea"], "matcha"}),
                len(words & {*DRINKS["coffee"], "ristretto"}),
                1.0,
                len(words) / 50,
            ],
            dtype=np.float32,
        )
        return vector / np.linalg.norm(vector)


def test_vectors_tell_apart_what_words_do_not():
    plain, dense = train(ROWS), train(ROWS, encoder=Meanings())
    for text, label in (("matcha", "tea"), ("ristretto", "coffee")):
        scored = dense.predict(text)
        assert scored.label == label
        assert scored.confidence > plain.predict(text).confidence


def test_a_model_with_embeddings_survives_a_file():
    model = train(ROWS, encoder=Meanings())
    assert serialize(train(ROWS, encoder=Meanings())) == serialize(model)
    loaded = deserialize(serialize(model))
    assert loaded == model
    assert loaded.with_encoder(Meanings()).predict("one matcha") == model.predict("one matcha")


def test_a_model_refuses_to_run_without_its_embedding_model_or_with_another():
    model = deserialize(serialize(train(ROWS, encoder=Meanings())))
    with pytest.raises(ConfigError, match=r"needs the embedding model meanings that it was trained with$"):
        model.with_encoder(None)
    with pytest.raises(ConfigError, match="not meanings with other files"):
        model.with_encoder(Meanings("d2"))
    plain = train(ROWS)
    assert plain.with_encoder(Meanings()) is plain.with_encoder(None) is plain


def test_models_are_cached_by_embedding_model():
    names = {model_file_name(ROWS, encoder) for encoder in (None, Meanings(), Meanings("d2"))}
    assert len(names) == 3


@pytest.mark.parametrize(("times", "norm"), [(1, 1.5), (5, 1)], ids=["few texts", "many texts"])
def test_scaled_vectors_have_the_mean_zero_and_the_norm_of_their_share(times, norm):
    vectors = [Meanings().encode(text) for text, _ in ROWS * times]
    scaling = fit_scaling(vectors, 2)
    scaled = np.array([scaling.apply(vector) for vector in vectors]) / FIXED_POINT_ONE
    assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-3)
    assert np.sqrt((scaled**2).sum(axis=1).mean()) == pytest.approx(norm, abs=1e-3)
    same = fit_scaling([vectors[0]] * 3, 2)
    assert not same.apply(vectors[0]).any()
    assert np.abs(scaling.apply(np.full(4, 1e9))).max() <= 4 * FIXED_POINT_ONE


def test_each_embedded_text_is_a_step_of_progress():
    steps = []
    train(ROWS, lambda: steps.append(1), Meanings())
    assert len(steps) == PROGRESS_STEPS + len(ROWS)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "a\x1b[31m"},
        {"model": "n" * 300},
        {"weights": b"\x01"},
        {"scale": float("nan")},
        {"scaling": fit_scaling([Meanings().encode("tea")[:3]], 2)},
    ],
)
def test_damaged_embedding_weights_are_rejected(change):
    model = train(ROWS, encoder=Meanings())
    damaged = dataclasses.replace(model, dense=dataclasses.replace(model.dense, **change))
    with pytest.raises(InvalidInputError, match="this trained model is damaged"):
        deserialize(serialize(damaged))
