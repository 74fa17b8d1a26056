"""Logits without each head, from trees of prompts, against plain runs of one prompt and head."""

import torch

from core.forward.ablate_heads import Read, ablate_each_head
from core.forward.prefix_tree import trees_for
from core.model.load import load_model
from tests import plain
from tests.some import some

PROMPTS = ["3+5=", "3+5=8", "3+6=", "9-2="]


def everything(lm, sequences, reads):
    """[tree] of (reads, logits with nothing off, heads, logits without each)."""
    for tree in some(trees_for(lm, sequences)):
        mine = [read for read in reads if read.sequence in tree.members]
        (nothing, baseline), *batches = ablate_each_head(lm, tree, mine)
        assert nothing == []
        heads = [head for batch, _ in batches for head in batch]
        yield mine, baseline[0], heads, torch.cat([logits for _, logits in batches])


def compared(lm, atol):
    sequences = [lm.encode(prompt) for prompt in PROMPTS]
    reads = [Read(i, len(ids) - 1) for i, ids in enumerate(sequences)] + [Read(1, 2)]  # also before an end
    seen = 0
    for mine, baseline, heads, logits in some(everything(lm, sequences, reads)):
        assert heads == [(layer, head) for layer in range(lm.n_layers) for head in range(lm.n_heads)]
        for at, read in enumerate(some(mine)):
            ids = sequences[read.sequence][: read.position + 1]
            assert torch.allclose(baseline[at].double(), plain.run(lm.model, ids).logits, atol=atol)
            for number, head in some(list(enumerate(heads))[:: lm.n_heads + 1]):
                assert torch.allclose(logits[number, at].double(), plain.run(lm.model, ids, [head]).logits, atol=atol)
                seen += 1
    assert seen >= len(reads) * lm.n_layers - 1


def test_equals_plain_runs(any_model):
    compared(any_model, 1e-4)


def test_in_8_bits_rows_run_alone(checkpoints):
    """Bit for bit where the batch would change what is rounded."""
    lm = load_model(checkpoints("llama"), precision="int8")
    ids = lm.encode("3+5=")
    [(_, baseline, heads, logits)] = everything(lm, [ids], [Read(0, len(ids) - 1)])
    assert torch.allclose(baseline[0].double(), plain.run(lm.model, ids).logits)
    for number, head in some(list(enumerate(heads))[::3]):
        assert torch.allclose(logits[number, 0].double(), plain.run(lm.model, ids, [head]).logits, atol=1e-6)
