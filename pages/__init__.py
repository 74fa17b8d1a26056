"""What a person sees: every page reads pick, form, run, chart, sentence, table."""
