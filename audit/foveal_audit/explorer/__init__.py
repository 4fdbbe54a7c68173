"""The live explorer: a web application on the loopback address, for the people who judge what was found."""
