"""A small set of prompts, one of which is answered wrong, and a measurement of it that is stopped half-way."""

from core.progress import Stopped
from core.prompts.arithmetic import Prompt, make_prompts
from tests.some import some

KS = [30, 5, 1]
PROMPTS = [
    *make_prompts(["+", "-"], digits=[1, 2], forms=["digits", "words"], templates=[1, 3], count=3),
    *make_prompts(["*"], digits=[2], count=3),
    Prompt("-", 13, 58, 2, "digits", 3),  # the model was not trained on negative results
]


def stopped_and_whole(run):
    """A measurement that is stopped half-way, and all of it; the progress of both is looked at."""
    seen, told = [], []

    def stop(done, total):
        seen.append((done, total))
        if done >= total / 2:
            raise Stopped

    def at_once(done, total):
        raise Stopped

    part, whole = run(stop), run(lambda done, total: told.append((done, total)))
    assert 0 < int(part.measured.sum()) < int(whole.measured.sum())
    assert not (part.measured & ~whole.measured).any()
    assert seen == told[: len(seen)]
    assert told[-1][0] == told[-1][1]
    shares = [done / total for done, total in some(told)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    nothing = run(at_once)
    assert not nothing.measured.any()
    assert nothing.to_frame()["decrease"].isna().all()
    return part, whole
