"""Plans: a night's work as a file, run without a browser, and its results as a folder that the pages open."""
