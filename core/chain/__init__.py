"""The internal logic chain of one prompt, from input tokens to the prediction."""
