"""The command line: options in, exit codes out. Commands are imported when they are called."""
