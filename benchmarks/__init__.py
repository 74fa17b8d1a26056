"""How fast is each feature against the plain way? Each prints a ratio and checks that the results agree."""

import core  # noqa: F401 - sets how OpenMP waits, before torch is imported
