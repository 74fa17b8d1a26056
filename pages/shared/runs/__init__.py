"""Work without a browser: the plan of what a page asks, and results that were measured elsewhere, opened on a page."""
