"""The one error that a person may meet: it says what was wrong and what to do."""


class UserError(ValueError):
    """Bad input, told in words for the person who gave it.

    Raised before anything is changed: a call that raises leaves the model, the
    caches and the caller's data as they were.
    """
