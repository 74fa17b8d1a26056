"""The making of the bundled model: data, tokenizer, recipe, measurements. The app does not import it."""

import core  # noqa: F401 - sets how OpenMP waits, before torch is imported
