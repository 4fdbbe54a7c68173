"""Networks to train: each file stands alone, as it travels inside an archive."""
