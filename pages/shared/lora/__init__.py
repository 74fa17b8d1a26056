"""What the pages LoRA comparison and Pruning share: the choice of adapters, charts, work."""
