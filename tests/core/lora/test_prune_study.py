"""Pruning from its settings to what is shown: the parts measured one by one give the same."""

import pandas as pd
import pytest

from core.errors import UserError
from core.forward.answers import are_right, question
from core.forward.rows import TrainingRows
from core.lora.export import export_and_check
from core.lora.prune import find_to_keep
from core.lora.prune_curve import prune_curve
from core.lora.prune_study import check_top, study_pruning
from core.lora.prune_train import pruned_folder, random_control, train_pair
from core.lora.report import finding_prompts
from core.lora.series import SHIPPED, place_of, read_series
from core.lora.settings import LoraSettings
from core.model.adapters import attach
from core.progress import Stopped
from core.prompts.signed_arithmetic import negative_data

FOLDER = place_of(SHIPPED["bundled"], 5)


def test_a_study_is_its_parts(bundled):
    settings = next(about.settings for about in read_series(bundled, SHIPPED["bundled"]).adapters if about.layer == 5)
    told = []
    found = study_pruning(
        bundled, FOLDER, settings, 6, 5, 3, (0.1, 1.0), 20, lambda done, total: told.append(done / total)
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    model = attach(bundled, FOLDER)
    rankings = find_to_keep(bundled, model, 6, 5, finding_prompts(settings, 3))
    assert found.found == rankings
    test = negative_data(None, settings.n_test, settings.seed).test[:20]
    by_hand = prune_curve(model, rankings, 5, TrainingRows.of(bundled, test), (0.1, 1.0))
    pd.testing.assert_frame_equal(found.curve.points, by_hand.points)
    right = are_right(model, [question(model, prompt) for prompt in test])
    assert (found.accuracy, found.n_test) == (pytest.approx(sum(right) / 20), 20)


def test_more_neurons_than_there_are(bundled):
    check_top(bundled, 7, bundled.n_neurons)
    with pytest.raises(UserError, match="deep neurons"):
        check_top(bundled, 7, bundled.n_neurons + 1)


@pytest.fixture(scope="module")
def pair(bundled, tmp_path_factory):
    settings = LoraSettings(rank=2, alpha=4, epochs=1, n_train=64)
    kept = [(7, n) for n in range(4)]
    home = tmp_path_factory.mktemp("home")
    return settings, kept, home, train_pair(bundled, kept, 7, 6, settings, ["/nowhere", home])


def test_a_pair_trains_on_the_kept_and_on_as_many_random_neurons(bundled, pair):
    settings, kept, home, found = pair
    assert found.kept.kept == tuple(kept)
    assert found.random.kept == tuple(random_control(bundled, kept, settings.seed))
    assert found.kept.about.finished
    assert found.random.about.finished
    assert pruned_folder(home, kept, 7, 6).is_dir()
    again = train_pair(bundled, kept, 7, 6, settings, [home, "/nowhere"])  # read, not trained: nothing can be written
    assert again.kept.about == found.kept.about


def test_a_stop_leaves_the_first_training_alone(bundled, tmp_path):
    def stop(done, total):
        raise Stopped

    settings = LoraSettings(rank=2, alpha=4, epochs=1, n_train=64)
    found = train_pair(bundled, [(7, 1)], 7, 6, settings, [tmp_path], stop)
    assert not found.kept.about.finished
    assert found.random is None


def test_an_export_answers_as_the_live_model(bundled, pair, tmp_path):
    found = pair[-1]
    written, check = export_and_check(found.kept, bundled, tmp_path / "new")
    assert written.n_neurons == bundled.n_neurons
    assert len(check.prompts) == check.same == 40
