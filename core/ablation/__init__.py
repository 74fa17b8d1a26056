"""Sets of neurons ablated over many prompts: mask, keep, root, shallow sets."""
