"""Questions with known answers: arithmetic, number words, signed results."""
