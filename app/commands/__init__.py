"""The subcommands of `othello`, a module for each group; see `app.cli`."""
