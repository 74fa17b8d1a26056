"""A tree gives every sequence what it gets alone."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.forward.prefix_tree import build_trees
from tests.some import some

SEQUENCES = st.lists(st.lists(st.integers(3, 6), min_size=1, max_size=7), min_size=1, max_size=20)


@given(SEQUENCES, st.integers(1, 40))
def test_paths_spell_the_sequences(sequences, nodes):
    trees = build_trees(sequences, nodes)
    assert sorted(i for t in trees for i in t.members) == list(range(len(sequences)))
    for tree in some(trees):
        for index, path in some(zip(tree.members, tree.paths, strict=True)):
            assert [tree.ids[node] for node in path] == sequences[index]
            assert [tree.depth[node] for node in path] == list(range(len(path)))
            for place, node in enumerate(some(path)):
                assert set(tree.visible[node].nonzero()[:, 0].tolist()) == set(path[: place + 1])


@given(SEQUENCES)
def test_no_node_twice_and_alone_when_asked(sequences):
    whole = build_trees(sequences, 10**6)
    assert len(whole) == 1
    assert len(whole[0].ids) == len({tuple(s[: i + 1]) for s in sequences for i in range(len(s))})
    for tree in some(build_trees(sequences, 1)):  # alone, or beside others that are the same single token
        assert len(tree.members) == 1 or len(tree.ids) == 1


@settings(max_examples=10, deadline=None)
@given(sequences=SEQUENCES)
def test_logits_are_those_of_single_runs(bundled, sequences):
    for tree in some(build_trees(sequences, 16)):
        inputs = tree.inputs(bundled)
        with torch.no_grad():
            logits = bundled.run(inputs.pop("input_ids"), **inputs)[0]
        for index, path in some(zip(tree.members, tree.paths, strict=True)):
            assert torch.allclose(logits[path], bundled.logits(sequences[index]), atol=2e-4)
