"""The science of Abacus, without Streamlit: load a model, intervene, measure."""
