"""The analyses of Abacus, without Streamlit: load a model, intervene, measure."""

import os

# Read by the OpenMP runtime when torch is first imported, so they are set before any import of it. A thread that spins
# while it waits takes a core from other processes. A value that is already set in the environment stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
