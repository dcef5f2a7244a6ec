"""One module per subcommand: `register(parser)` declares its options, `run(args)` returns the exit status."""
