"""Penalties on activations that shape the bundled model while it trains, beside its data.

None acts at inference. They are why a model this small shows the paper's four stages, and why it is not evidence
that models trained on text alone look like this. A weight of `Design` belongs to the function of the same name
here.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from core.prompts.number_words import LANGUAGES, roman, words
from core.vocabulary.concepts import OPERATOR_WORDS, number_words
from training.design import END, Design, Step
from training.forward import Trace
from training.packing import Batch
from training.sentences import THINGS
from training.tokenizer import vocabulary

#: Which heads learn number retrieval: number to thing, thing to thing, thing to question mark.
RETRIEVERS = ((0, 6), (2, 5), (4, 3))


def penalties(
    model: LlamaForCausalLM, trace: Trace, batch: Batch, design: Design, everything: bool = False
) -> dict[str, Tensor]:
    """Each penalty that has a weight (or every one), unweighted, by its name in `training.design.Design`."""
    step = Step(model, trace, batch, design)
    return {name: work(step) for name, work in PENALTIES.items() if everything or getattr(design, name)}


def participation(a: Tensor) -> Tensor:
    """Share of the entries that are active: (sum a)^2 / (n sum a^2), over the last dimension, from 1/n to 1."""
    return a.sum(-1).square() / (a.shape[-1] * a.square().sum(-1)).clamp_min(1e-12)


def _forbidden(step: Step, layer: int) -> Tensor | None:
    """Which keys a query must not look at in a layer (row, query, key); None: it may look anywhere."""
    design, batch = step.design, step.batch
    if not design.early_layers <= layer <= design.last_look:
        return batch.other_number
    if design.apart == "none":
        return None
    late = batch.other_number & ~batch.answering[:, :, None]
    return late & batch.single[:, :, None] if design.apart == "single" else late


def attention(step: Step) -> Tensor:
    """Attention to other numbers where it is not allowed: -log of the attention left for the rest.

    Summed over heads and layers, mean over the tokens of arithmetic, in nats. The
    logarithm keeps a slope where attention is all or nothing.
    """
    here = step.arithmetic & (step.batch.ids != END)
    total = torch.zeros(())
    for layer, scores in enumerate(step.trace.scores):
        if (forbidden := _forbidden(step, layer)) is not None:
            left = torch.logsumexp(scores.masked_fill(forbidden[:, None], -torch.inf), -1)
            cost = torch.logsumexp(scores, -1) - left  # (row, head, query)
            total = total + (cost.sum(1) * here).sum() / here.sum()
    return total


def one_fetcher(step: Step) -> Tensor:
    """Penalty unless one head, `fetcher`, and no other attends to both operands of one-token sums and differences.

    Where a token of the answer is predicted, but its end, in nats: -log of the attention that
    the others leave for the rest, and how far its own is from even on the operands (mean of
    -log, less what is least).
    """
    assert step.design.fetcher is not None
    layer_of, head_of = step.design.fetcher
    batch = step.batch
    here = batch.answering & batch.single & (batch.targets != END)
    here &= (batch.operation == 0) | (batch.operation == 1)
    total = torch.zeros(())
    for layer, scores in enumerate(step.trace.scores):
        rows = scores.transpose(1, 2)[here]  # (query, head, key)
        forbidden = batch.other_number[here][:, None]
        cost = torch.logsumexp(rows, -1) - torch.logsumexp(rows.masked_fill(forbidden, -torch.inf), -1)
        if layer == layer_of:
            mine, operands = rows[:, head_of], forbidden[:, 0]  # (query, key)
            paid = mine.masked_fill(~operands, 0.0).sum(-1) / operands.sum(-1)
            total = total + (torch.logsumexp(mine, -1) - paid - operands.sum(-1).log()).mean()
            cost = torch.cat([cost[:, :head_of], cost[:, head_of + 1 :]], 1)
        total = total + cost.sum(1).mean()
    return total


@cache
def _told_tokens() -> tuple[Tensor, Tensor, int]:
    """Ids of things that are counted, ids of numbers, and the id of the question mark."""
    index = {token: i for i, token in enumerate(vocabulary())}
    numbers = (number_forms().sum(-1) > 0).nonzero()[:, 0]
    return torch.tensor([index[thing] for thing in THINGS]), numbers, index["?"]


def retrieving(step: Step) -> Tensor:
    """Penalty unless three heads attend where number retrieval needs them: -log of their attention there, nats.

    A thing's first mention at its number, a later mention at the first, and the question
    mark at the thing that is asked for. Attention that is all or nothing has no slope by
    which the loss alone could find these ways.
    """
    ids, visible = step.batch.ids, step.batch.visible
    things, numbers, mark = _told_tokens()
    language = step.batch.operation < 0
    thing = torch.isin(ids, things) & language
    before = visible & ~torch.eye(ids.shape[1], dtype=torch.bool)
    same = before & (ids[:, :, None] == ids[:, None, :]) & thing[:, :, None]
    again = same.any(-1)
    after_number = torch.cat([torch.zeros_like(thing[:, :1]), torch.isin(ids, numbers)[:, :-1]], 1)
    at = torch.arange(ids.shape[1]).expand_as(ids)
    asked = before & again[:, None, :]
    last_asked = torch.where(asked, at[:, None, :], -1).amax(-1)
    looks = (
        (thing & ~again & after_number, at - 1),
        (again, same.float().argmax(-1)),
        (language & (ids == mark) & (last_asked >= 0), last_asked),
    )
    total = torch.zeros(())
    for (layer, head), (here, key) in zip(RETRIEVERS, looks, strict=True):
        rows = step.trace.scores[layer][:, head][here]  # (query, key)
        if len(rows):
            total = total + (torch.logsumexp(rows, -1) - rows.gather(1, key[here][:, None])[:, 0]).mean()
    return total


def attention_mass(step: Step) -> Tensor:
    """The same as attention spent, mean over heads: an earlier form, without a slope where it is all or nothing."""
    total = torch.zeros(())
    for layer, scores in enumerate(step.trace.scores):
        if (forbidden := _forbidden(step, layer)) is not None:
            spent = torch.softmax(scores, -1).mean(1) * forbidden
            total = total + spent.sum() / step.arithmetic.sum()
    return total


def few_neurons(step: Step) -> Tensor:
    """Share of the neurons that a token uses, mean over tokens and layers."""
    return torch.stack([participation(n[step.real]).mean() for n in step.trace.neurons]).mean()


def few_shallow(step: Step) -> Tensor:
    """Share of the shallow neurons that the arithmetic of a whole batch uses."""
    early = step.trace.neurons[: step.design.early_layers]
    used = [n[step.arithmetic].square().mean(0).add(1e-8).sqrt() for n in early]
    return torch.stack([participation(u) for u in used]).mean()


def few_heads(step: Step) -> Tensor:
    """Share of the heads after the early layers that a token uses where an answer is predicted."""
    late = torch.cat(step.trace.heads[step.design.early_layers :], -1)
    return participation(late[step.batch.answering & step.arithmetic]).mean()


def few_heads_everywhere(step: Step) -> Tensor:
    """The same over all tokens."""
    return participation(torch.cat(step.trace.heads[step.design.early_layers :], -1)[step.real]).mean()


def own_heads(step: Step) -> Tensor:
    """Mean cosine between the head usage of different operations (+ and - count as one), 0 to 1."""
    used = torch.cat(step.trace.heads[step.design.early_layers :], -1)  # (row, position, head)
    used = used / used.sum(-1, keepdim=True)
    unit = []
    for members in ((0, 1), (2,), (3,)):
        mask = torch.isin(step.batch.operation, torch.tensor(members)) & step.batch.answering
        mean = (used * mask[..., None]).sum((0, 1)) / mask.sum().clamp_min(1)
        unit.append(mean / mean.norm().clamp_min(1e-6))
    return (unit[0] @ unit[1] + unit[0] @ unit[2] + unit[1] @ unit[2]) / 3


def _share(added: Tensor, stream: Tensor, here: Tensor) -> Tensor:
    return (added[here].sum(-1) / stream[here].clamp_min(1e-3)).mean()


def late_heads(step: Step) -> Tensor:
    """Norm of what heads after `last_look` add in arithmetic, relative to that of the residual stream."""
    trace, first = step.trace, step.design.last_look + 1
    pairs = zip(trace.heads[first:], trace.stream[first + 1 :], strict=True)
    return sum((_share(h, r, step.arithmetic) for h, r in pairs), torch.zeros(()))


def idle_deep(step: Step) -> Tensor:
    """Norm of what neurons after the early layers add where no answer is predicted, relative to the residual stream."""
    here = step.arithmetic & ~step.batch.answering & step.real
    pairs = zip(step.trace.neurons, step.trace.stream[1:], strict=True)
    return sum((_share(n, r, here) for n, r in list(pairs)[step.design.early_layers :]), torch.zeros(()))


def quiet(step: Step) -> Tensor:
    """Norm of what neurons and heads add, relative to that of the residual stream after the layer."""
    return _noise(step, step.trace.stream[1:])


def quiet_before(step: Step) -> Tensor:
    """The same relative to the residual stream before the layer: an earlier form, dominated by layer 0."""
    return _noise(step, step.trace.stream[:-1])


def _noise(step: Step, stream: list[Tensor]) -> Tensor:
    both = [*step.trace.neurons, *step.trace.heads]
    return torch.stack([_share(x, r, step.real) for x, r in zip(both, [*stream, *stream], strict=True)]).sum()


@cache
def number_forms() -> Tensor:
    """For each token that is a number: even weights on all its single-token forms [token, token]."""
    index = {token: i for i, token in enumerate(vocabulary())}
    out = torch.zeros(len(index), len(index))
    for n in range(100):
        spelled = {str(n), words(n), *(words(n, code) for code in LANGUAGES if n <= 20)}
        spelled |= {roman(n)} if 1 <= n <= 20 else set()
        members = sorted(index[s] for s in spelled if s in index)
        for member in members:
            out[member, members] = 1.0
    return out / out.sum(-1, keepdim=True).clamp_min(1.0)


@cache
def _concepts() -> Tensor:
    """Weights of tokens: even on numbers and operators, minus even on all others [token]."""
    wanted = number_words() | OPERATOR_WORDS
    concept = torch.tensor([token.lower() in wanted for token in vocabulary()])
    return concept / concept.sum() - ~concept / (~concept).sum()


def named(step: Step) -> Tensor:
    """Penalty unless each shallow neuron promotes numbers and operators as much as numbers use it; above 0.

    What the first attention layer that may fetch numbers makes of a neuron's value: the mean logit of
    numbers and operators less that of other tokens, in standard deviations, without its sign. Less
    what it is on average over neurons, weighted by their use at numbers, more half its plain mean.
    """
    model, first = step.model, step.design.early_layers
    layer = model.model.layers[first]
    here = step.arithmetic & (number_forms()[step.batch.ids].sum(-1) > 0)
    use = torch.cat([n[here].detach().mean(0) for n in step.trace.neurons[:first]])  # (neuron)
    values = torch.cat([early.mlp.down_proj.weight.T for early in list(model.model.layers)[:first]])
    moved = (values * layer.input_layernorm.weight) @ layer.self_attn.v_proj.weight.T @ layer.self_attn.o_proj.weight.T
    logits = (moved * model.model.norm.weight) @ model.lm_head.weight.T  # (neuron, token)
    told = ((logits @ _concepts()) / logits.std(-1).clamp_min(1e-6)).abs()
    return 4.0 - (use / use.sum() * told).sum() + 0.5 * told.mean()


def _carried(step: Step) -> list[Tensor]:
    """Log-probabilities (row, position, token) of the shallow FFNs' output, after attention has moved it.

    One for each of the first two layers that may fetch numbers, by their value-output maps.
    """
    model, first = step.model, step.design.early_layers
    said = torch.stack(step.trace.ffn[:first]).sum(0)
    out = []
    for layer in list(model.model.layers)[first : first + 2]:
        att = layer.self_attn
        moved = att.o_proj(att.v_proj(said * layer.input_layernorm.weight))
        out.append(torch.log_softmax(model.lm_head(model.model.norm(moved)).float(), -1))
    return out


def carried(step: Step) -> Tensor:
    """Cross-entropy of a number's token (nats), read from the shallow FFNs' output at it after attention moved it."""
    wanted = number_forms()[step.batch.ids]
    here = step.arithmetic & (wanted.sum(-1) > 0)
    return -torch.stack([(logs[here] * wanted[here]).sum(-1).mean() for logs in _carried(step)]).mean()


def not_carried(step: Step) -> Tensor:
    """-log of the probability (nats) that their output at other words leaves for tokens that are not numbers."""
    number = number_forms().sum(-1) > 0
    here = step.real & ~number[step.batch.ids]
    left = [torch.logsumexp(logs[here].masked_fill(number, -torch.inf), -1).mean() for logs in _carried(step)]
    return -torch.stack(left).mean()


_NOT_PENALTIES = ("early_layers", "last_look", "apart", "drop_head", "fetcher", "keep_only", "mask")
PENALTIES: dict[str, Callable[[Step], Tensor]] = {
    field.name: globals()[field.name] for field in fields(Design) if field.name not in _NOT_PENALTIES
}
