"""The second bundled model: trained by next-token loss and nothing else, on a tokenizer like Llama's."""
