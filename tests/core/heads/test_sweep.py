"""The sweep against one full run a head, and what a stopped sweep keeps."""

import math

import pytest
import torch

from core.errors import UserError
from core.heads.accuracy import sweep_accuracy
from core.heads.sweep import sweep_heads
from core.hooks import ScaleHead, intervene
from core.metrics import METRICS, as_metric, relative
from core.model.load import load_model
from core.progress import Stopped
from core.prompts.arithmetic import FORMS, make_prompts
from tests.some import some

PROMPTS = ["3+5=", "3+6=", "3 - 1 =", "Q: What is 3 plus 5? A:", "seven times two is", "3+5="]


def test_equals_one_run_a_head(any_model):
    swept = sweep_heads(any_model, PROMPTS)
    assert swept.probability.shape == (len(PROMPTS), any_model.n_layers, any_model.n_heads)
    for i, prompt in enumerate(PROMPTS):
        ids = any_model.encode(prompt)
        plain = torch.softmax(any_model.logits(ids)[-1], -1)
        assert swept.targets[i] == int(plain.argmax())
        assert swept.baseline[i].item() == pytest.approx(plain.max().item(), abs=1e-5)
        for layer in range(any_model.n_layers):
            for head in range(any_model.n_heads):
                with intervene(any_model, ScaleHead(layer, head, 0.0)):
                    alone = torch.softmax(any_model.logits(ids)[-1], -1)[swept.targets[i]]
                assert swept.probability[i, layer, head].item() == pytest.approx(alone.item(), abs=1e-5)


def test_many_prompts_equal_one_by_one(bundled):
    prompts = [p.text for p in make_prompts(digits=[1, 2], forms=FORMS, templates=range(4), count=6)]
    together = sweep_heads(bundled, prompts)
    for i in range(0, len(prompts), 7):
        alone = sweep_heads(bundled, [prompts[i]])
        assert torch.allclose(together.probability[i], alone.probability[0], atol=1e-5)


def test_given_targets(bundled):
    eight, nine = (bundled.tokenizer.convert_tokens_to_ids(t) for t in "89")
    swept = sweep_heads(bundled, ["3+5=", "3+5="], [eight, nine])
    chances = torch.softmax(bundled.logits(bundled.encode("3+5="))[-1], -1)
    assert torch.allclose(swept.baseline, chances[[eight, nine]], atol=1e-6)
    frame = swept.to_frame()
    assert len(frame) == 2 * bundled.n_layers * bundled.n_heads
    row = frame[(frame.target == nine) & (frame.layer == 2) & (frame["head"] == 3)].iloc[0]
    assert row.probability == pytest.approx(swept.probability[1, 2, 3].item())
    assert row.decrease == pytest.approx((row.baseline - row.probability) / row.baseline)


def test_stop_keeps_what_is_measured(bundled):
    prompts = make_prompts(digits=[1, 2], count=20)
    seen = []

    def stop_in_the_middle(done, total):
        seen.append((done, total))
        if done >= total / 2:
            raise Stopped

    part = sweep_accuracy(bundled, prompts, stop_in_the_middle)
    whole = sweep_accuracy(bundled, prompts)
    done = part.measured
    assert 0 < int(done.sum()) < len(prompts)
    assert torch.equal(part.right()[1][done], whole.right()[1][done])
    assert torch.equal(part.probability[done], whole.probability[done])
    assert seen == sorted(seen)


def test_int8_runs_each_prompt_alone(checkpoints):
    """In 8 bits rows of a batch affect each other, so the sweep must equal single runs bit for bit."""
    lm = load_model(checkpoints("llama"), precision="int8")
    prompts = ["3+5=", "3+6=", "seven times two is"]
    swept = sweep_heads(lm, prompts)
    for i, prompt in enumerate(some(prompts)):
        for layer, head in [(0, 0), (1, 3), (2, 1)]:
            with intervene(lm, ScaleHead(layer, head, 0.0)):
                alone = torch.softmax(lm.logits(lm.encode(prompt))[-1], -1)[swept.targets[i]]
            assert swept.probability[i, layer, head].item() == pytest.approx(alone.item(), abs=1e-6)


def test_bad_input(bundled):
    for prompts, targets in ([], None), (["3+5="], [1, 2]), (["3+5="], [10**6]), ([""], None), (["zzyzx 3"], None):
        with pytest.raises(UserError):
            sweep_heads(bundled, prompts, targets)
    with pytest.raises(UserError):
        sweep_accuracy(bundled, [])


def test_relative_decrease_is_the_papers():
    """Table 2 follows from table 24: 1D+ falls from 88.9 to 47.6, which is 46.5%."""
    assert relative(88.9, 47.6) == pytest.approx(0.465, abs=5e-4)
    assert relative(0.0, 0.0) != relative(0.0, 0.0)  # not a number: nothing to decrease


def margin(logits, target):
    """A callable metric: the target's logit minus the mean logit."""
    return logits.gather(-1, target[..., None])[..., 0] - logits.mean(-1)


@pytest.mark.parametrize("metric", [*METRICS, margin])
def test_metrics_equal_one_run_a_head(any_model, metric):
    swept = sweep_heads(any_model, PROMPTS[:3], metric=metric)
    compute = as_metric(metric)
    for i, prompt in enumerate(some(PROMPTS[:3])):
        ids, target = any_model.encode(prompt), torch.tensor(swept.targets[i])
        assert swept.value_baseline[i].item() == pytest.approx(
            compute(any_model.logits(ids)[-1], target).item(), abs=1e-4
        )
        for layer in range(any_model.n_layers):
            for head in range(any_model.n_heads):
                with intervene(any_model, ScaleHead(layer, head, 0.0)):
                    alone = compute(any_model.logits(ids)[-1], target)
                assert swept.value[i, layer, head].item() == pytest.approx(alone.item(), abs=1e-4)
    frame = swept.to_frame()
    assert set(frame["metric"]) == {compute.name}
    assert torch.equal(torch.tensor(frame["value"].to_numpy()), swept.value.flatten())
    assert frame["value_baseline"].nunique() == swept.value_baseline.unique().numel()


def test_the_default_metric_is_the_probability(bundled):
    swept = sweep_heads(bundled, ["3+5=", "7-2="])
    assert swept.metric.name == "probability"
    assert torch.equal(swept.value, swept.probability)
    assert torch.equal(swept.value_baseline, swept.baseline)
    with pytest.raises(UserError, match="does not exist"):
        sweep_heads(bundled, ["3+5="], metric="perplexity")


@pytest.mark.parametrize("metric", ["probability", "logit difference", "exact match"])
def test_the_decrease_of_a_head_has_an_interval_over_prompts(bundled, arithmetic_head, metric):
    prompts = ["3+5=", "7-2=", "4+4=", "2+6=", "9-1="]
    swept = sweep_heads(bundled, prompts, metric=metric)
    found = swept.value_decrease(*arithmetic_head)
    original, without = swept.value_baseline, swept.value[:, *arithmetic_head]
    lost = float((original - without).mean())
    assert found.value == pytest.approx(lost / float(original.mean()) if swept.metric.is_share else lost, rel=1e-4)
    assert found.low <= found.value <= found.high
    if metric == "probability":
        assert found.low < found.high
    alone = sweep_heads(bundled, prompts[:1], metric=metric).value_decrease(*arithmetic_head)
    assert math.isnan(alone.low)
