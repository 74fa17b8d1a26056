"""The frame around every page: the start, the sidebar, notices of a changed model, the person's own jobs."""
