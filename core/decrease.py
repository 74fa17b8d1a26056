"""How much is lost? Always relative to the original, as in the CNA paper."""


def relative(original: float, intervened: float) -> float:
    """Relative decrease, (original - intervened) / original; not a number where the original is 0."""
    return (original - intervened) / original if original else float("nan")
