"""What pages claim: numbers with their intervals, and sentences with a badge that says how the model came to be."""
