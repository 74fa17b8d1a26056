"""The filter of shallow neurons by chance alone: how many it would keep if projections named tokens at random.

A projection's top tokens are then a random draw of `top` of the vocabulary's `n_vocab` tokens, and the number X of
concept tokens among them is hypergeometric:

    P(X = x) = C(K, x) C(n_vocab - K, top - x) / C(n_vocab, top),  K = number of concept tokens

A neuron is kept when the largest of its counts is greater than M. It has n counts: one for each later attention layer,
times two where both signs count. Taken as independent draws (*choice*; the two ends of one projection share no token,
which is next to nothing while K is a small part of the vocabulary):

    P(max > M) = 1 - P(X <= M)^n

The expected number of neurons is the sum over layers of P(max > M) times the neurons of the layer. Of Llama-7B's
176,128 neurons in layers 0 to 15, through layers up to 16, a list of 239 tokens would keep 152,004, 62,479, 9,038
and 797 at M = 0 to 3 by +v alone, and 166,278, 98,084, 17,481 and 1,589 by both signs.

It misleads where concept tokens resemble each other, as digits do: then a random direction that names one names others
too, and large counts are more frequent than by this chance.
"""

from math import exp, expm1, lgamma, log1p


def share_above(more_than: int, n_vocab: int, concepts: int, top: int) -> float:
    """P(X > M): how often more than M of `top` tokens drawn at random are among the concept tokens, 0 to 1.

    Args:
        more_than: M.
        n_vocab: tokens of the vocabulary.
        concepts: how many of them are concept tokens.
        top: how many are drawn, without putting back.
    """
    fewest, most = max(0, top + concepts - n_vocab), min(concepts, top)
    if more_than < fewest:
        return 1.0
    every = _log_choose(n_vocab, top)
    shares = (
        exp(_log_choose(concepts, x) + _log_choose(n_vocab - concepts, top - x) - every)
        for x in range(more_than + 1, most + 1)
    )
    return min(1.0, sum(shares, 0.0))


def any_above(share: float, draws: int) -> float:
    """1 - (1 - share)^draws: how often at least one of several independent draws is above; exact for small shares."""
    if not draws:
        return 0.0
    return 1.0 if share >= 1.0 else -expm1(draws * log1p(-share))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
