"""What the filter of shallow neurons keeps by chance, against exact sums, random draws and random projections."""

from math import comb

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from core.model.load import load_model
from core.model.source import BUNDLED
from core.vocabulary.chance import any_above, share_above
from core.vocabulary.shallow import SIGNS, ShallowCounts, shallow_counts
from tests.some import some


def counts_of_llama(signs):
    """Llama-7B's size: layers 0 to 15 of 11,008 neurons, through layers 1 to 16; a list of 239 of 32,000 tokens."""
    count = torch.zeros((16, 1, 1), dtype=torch.int16).expand(16, 11008, 16)
    return ShallowCounts(list(range(16)), list(range(1, 17)), 50, 239, 32000, signs, count)


def test_the_figures_of_llama_7b():
    plus, both = (counts_of_llama(signs) for signs in SIGNS)
    assert [round(plus.by_chance(m)) for m in range(4)] == [152004, 62479, 9038, 797]
    assert [round(both.by_chance(m)) for m in range(4)] == [166278, 98084, 17481, 1589]
    assert plus.by_chance(-1) == both.by_chance(-1) == 16 * 11008
    assert plus.by_chance(50) == both.by_chance(50) == 0


@pytest.mark.parametrize(("n_vocab", "concepts", "top"), [(40, 7, 5), (40, 7, 36), (40, 40, 3), (1036, 163, 100)])
def test_a_share_is_the_exact_sum(n_vocab, concepts, top):
    for m in range(-1, top + 1):
        ways = sum(comb(concepts, x) * comb(n_vocab - concepts, top - x) for x in range(m + 1, top + 1))
        assert share_above(m, n_vocab, concepts, top) == pytest.approx(ways / comb(n_vocab, top), rel=1e-8, abs=1e-300)


def test_a_share_of_random_draws():
    seeded = torch.Generator().manual_seed(3)
    drawn = torch.rand((40000, 60), generator=seeded).topk(10).indices
    found = (drawn < 8).sum(-1)  # tokens 0 to 7 are the concepts
    for m in range(4):
        share = share_above(m, 60, 8, 10)
        assert float((found > m).float().mean()) == pytest.approx(share, abs=5 * (share * (1 - share) / 40000) ** 0.5)


def test_any_of_several_draws():
    assert any_above(0.3, 1) == pytest.approx(0.3)
    assert any_above(0.3, 3) == pytest.approx(1 - 0.7**3)
    assert any_above(1e-20, 4) == pytest.approx(4e-20)
    assert any_above(1.0, 2) == 1
    assert any_above(1.0, 0) == any_above(0.2, 0) == 0


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    """Wide enough that directions of random tokens are nearly orthogonal."""
    folder = tmp_path_factory.mktemp("random")
    config = LlamaConfig(
        vocab_size=1100,
        hidden_size=256,
        intermediate_size=600,
        num_hidden_layers=4,
        num_attention_heads=4,
        bos_token_id=0,
        eos_token_id=1,
    )
    torch.manual_seed(5)
    LlamaForCausalLM(config).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((BUNDLED["bundled"] / file).read_bytes())
    return load_model(folder, precision="fp32")


@pytest.mark.parametrize("signs", SIGNS)
def test_random_projections_keep_what_chance_gives(random_model, signs):
    """Random values, W_V, W_O and W_U; concept tokens drawn at random. 1,800 neurons, 5 standard deviations."""
    concepts = torch.randperm(1100, generator=torch.Generator().manual_seed(7))[:30].tolist()
    counts = shallow_counts(random_model, range(3), 50, concepts, signs)
    for m in some(range(1, 6)):
        expected = counts.by_chance(m)
        assert expected < 1800
        assert len(counts.pairs(m)) == pytest.approx(expected, abs=5 * (expected * (1 - expected / 1800)) ** 0.5 + 1)
