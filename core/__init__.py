"""The science of Abacus, without Streamlit: load a model, intervene, measure."""

import os

# Read by the OpenMP runtime when torch is first imported, so they stand before every import of it. A thread that spins
# while it waits takes its core from whoever computes beside it. A value set by the person who starts Abacus stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
