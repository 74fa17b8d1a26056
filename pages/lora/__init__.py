"""Fine-tuning: what adapters change inside, and which neurons are enough."""
