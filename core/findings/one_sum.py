"""One sum, looked at closely: each head's share in its answer, and the neurons that the top head activates.

A single prompt, so there are no intervals: what is seen here may be different for the next sum.
"""

from dataclasses import dataclass

from core.findings.figures import Matrix
from core.findings.heads import as_matrix
from core.findings.settings import FindingsSettings
from core.forward.answers import question, token_cases
from core.heads.sweep import sweep_heads
from core.model.load import LoadedModel
from core.neurons.compare import compare_heads
from core.progress import Progress
from core.prompts.arithmetic import LAST_TEMPLATE, Prompt
from core.reading import strict
from core.types import Head
from core.vocabulary.neuron_tokens import tokens_of

N_NEURONS, N_TOKENS = 10, 6


@strict
@dataclass(frozen=True)
class ComparedNeuron:
    """A neuron of CNA's ranking, with and without the top head.

    Attributes:
        layer: of the neuron.
        neuron: its index.
        change: importance with the head less without it (nats).
        importance: with the head (nats).
        coefficient: with the head.
        coefficient_without: with the head at zero.
        tokens: what it promotes, by the sign of its coefficient with the head.
    """

    layer: int
    neuron: int
    change: float
    importance: float
    coefficient: float
    coefficient_without: float
    tokens: tuple[str, ...]

    @property
    def name(self) -> str:
        """As layer_neuron."""
        return f"{self.layer}_{self.neuron}"


@strict
@dataclass(frozen=True)
class OneSum:
    """A sum of two numbers, such as "3 + 5 =".

    Attributes:
        prompt: the text.
        answer: the right number.
        read: the token whose probability is read: the first visible one of the answer.
        tokens: everything before it, as the model reads it.
        probability: of that token.
        right: whether it is the most likely one.
        predicted: the most likely token there.
        decrease: relative decrease of the probability without each head, by layer and head.
        top: the head without which the probability is lowest.
        neurons: those whose importance falls most without that head, largest change first.
    """

    prompt: str
    answer: str
    read: str
    tokens: tuple[str, ...]
    probability: float
    right: bool
    predicted: str
    decrease: Matrix
    top: Head
    neurons: tuple[ComparedNeuron, ...]


def measure_sum(lm: LoadedModel, settings: FindingsSettings, progress: Progress) -> OneSum:
    """Ablates every head for one sum, and compares neurons with and without the top head (CNA).

    Raises:
        UserError: for a sum that the model cannot read or write.
    """
    prompt = Prompt("+", settings.first, settings.second, 1, "digits", LAST_TEMPLATE)
    case = token_cases(lm, [question(lm, prompt)])[0]
    ids = list(case.ids)
    swept = sweep_heads(lm, [ids], targets=[case.token], progress=progress)
    top = divmod(int(swept.probability[0].argmin()), lm.n_heads)
    k = min(N_NEURONS, lm.n_layers * lm.n_neurons)
    found = compare_heads(lm, ids, [top], k=k, target=case.token)
    promoted = tokens_of(lm, found.pairs, found.coefficient_first.tolist(), N_TOKENS)
    predicted = int(lm.logits(ids)[-1].argmax())
    return OneSum(
        prompt=prompt.text,
        answer=prompt.answer,
        read=lm.token(case.token),
        tokens=tuple(lm.token(i) for i in ids),
        probability=float(swept.baseline[0]),
        right=predicted == case.token,
        predicted=lm.token(predicted),
        decrease=as_matrix(swept.decrease),
        top=top,
        neurons=tuple(
            ComparedNeuron(
                layer=layer,
                neuron=neuron,
                change=float(found.change[row]),
                importance=float(found.importance_first[row]),
                coefficient=float(found.coefficient_first[row]),
                coefficient_without=float(found.coefficient_second[row]),
                tokens=tuple(promoted[row]),
            )
            for row, (layer, neuron) in enumerate(found.pairs)
        ),
    )
