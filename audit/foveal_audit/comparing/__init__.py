"""Attribution methods held against a known truth and against networks that have learned nothing."""
