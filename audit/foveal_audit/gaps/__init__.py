"""What production shows and training never did."""
