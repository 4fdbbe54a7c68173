"""Studies with known truth, made on the spot: what an audit says can be held against what was planted."""
