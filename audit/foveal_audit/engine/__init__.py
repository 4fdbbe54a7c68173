"""How an audit is computed: pieces of work as pure functions, each with its result in a folder of its own."""
