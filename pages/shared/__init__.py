"""What pages share: the model, jobs, colours, charts, downloads."""
