"""One module a command: each calls what does the work and gives one document."""
