"""What a neuron's card shows: the prompts that activate it, the tokens its keys match."""

import pytest
import torch

from core.errors import UserError
from core.forward.record import record
from core.hooks import ScaleNeuron, intervene
from core.model.load import load_model
from core.neurons.max_activating import activating_prompts
from core.progress import Stopped
from core.vocabulary.key_tokens import key_tokens
from tests import plain
from tests.some import some

PROMPTS = ["3+5=", "3+6=", "3 - 1 =", "Q: What is 3 plus 5? A:", "seven times two is", "3+5="]


def check_prompts(lm, layer, neuron, tolerance):
    frame = activating_prompts(lm, PROMPTS, layer, neuron)
    assert sorted(frame["prompt"]) == sorted(PROMPTS)
    assert frame["coefficient"].abs().is_monotonic_decreasing
    for row in some(frame.itertuples()):
        ids = lm.encode(row.prompt)
        m = record(lm, ids).coefficient[layer, :, neuron]
        assert row.coefficient == pytest.approx(m[-1].item(), abs=tolerance)
        assert row.largest == pytest.approx(m[1:].abs().max().item() * (1 if row.largest > 0 else -1), abs=tolerance)
        assert row.position >= 1
        assert m[row.position].item() == pytest.approx(row.largest, abs=tolerance)
        assert row.token == lm.token(ids[row.position])


def test_prompts_equal_recordings(any_model):
    for layer, neuron in [(0, 3), (2, 40)]:
        check_prompts(any_model, layer, neuron, 1e-4)


def test_prompts_in_8_bits_run_alone(checkpoints):
    check_prompts(load_model(checkpoints("llama"), precision="int8"), 1, 7, 1e-6)


def test_equal_prompts_keep_their_order_and_stop_keeps_a_part(bundled):
    prompts = [f"{a}+{b}=" for a in range(10) for b in range(10)]
    whole = activating_prompts(bundled, prompts, 4, 11)

    def stop(done, total):
        if done == 1:
            assert total > 1
            raise Stopped

    part = activating_prompts(bundled, prompts, 4, 11, progress=stop)
    assert 0 < len(part) < len(whole) == 100
    both = part.merge(whole, on="prompt")
    assert (both["coefficient_x"] == both["coefficient_y"]).all()
    with intervene(bundled, ScaleNeuron(3, 0, 0.0)):
        activating_prompts(bundled, prompts[:2], 4, 11)


@pytest.mark.parametrize("direction", ["embedding", "output"])
def test_key_tokens_of_a_single_token_stream(any_model, direction):
    """A key's match is what the norm hands it when the residual stream is the token's direction alone."""
    layer, neuron = 1, 17
    norm = any_model.modules.ffn_norm(layer)
    if direction == "embedding":
        streams = any_model.modules.embedding.weight
    else:
        streams = (
            any_model.modules.unembedding.weight * plain.gain(any_model.model, any_model.modules.final_norm).float()
        )
    bias = getattr(norm, "bias", None)
    normed = norm(1000 * streams) - (0 if bias is None else bias)  # so large that eps is nothing
    frame = key_tokens(any_model, layer, neuron, k=12, direction=direction)
    maps = any_model.modules.neuron_input(layer)
    names = ["gate", "up"] if len(maps) == 2 else ["input"]
    assert len(frame) == 2 * 12 * len(names)
    for name, keys in some(zip(names, maps, strict=True)):
        match = normed @ plain.matrix(keys.module)[keys.of([neuron])[0]]
        for sign in (1, -1):
            part = frame[(frame["key"] == name) & (frame["sign"] == sign)]
            best = (sign * match).topk(12)
            assert torch.allclose(sign * torch.tensor(part["match"].tolist()), best.values, atol=1e-3)
            assert part["token"].tolist() == [any_model.token(i) for i in best.indices.tolist()]


def test_bad_input(bundled):
    for call in (
        lambda: activating_prompts(bundled, [], 0, 0),
        lambda: activating_prompts(bundled, ["3+5="], 99, 0),
        lambda: activating_prompts(bundled, ["zzyzx"], 0, 0),
        lambda: key_tokens(bundled, 0, 10**6),
        lambda: key_tokens(bundled, 0, 0, k=0),
    ):
        with pytest.raises(UserError):
            call()
