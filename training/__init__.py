"""How the bundled model was made: data, tokenizer, recipe, measurements. The app does not import it."""
