"""The error for people who use Abacus: it says what was wrong and what to do."""


class UserError(ValueError):
    """Bad input, explained to the person who gave it.

    Raised before anything is changed: a call that raises leaves the model, the
    caches and the caller's data as they were.
    """
