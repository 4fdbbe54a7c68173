"""What operators scrape: the one table of metrics, the spool's state, the shipper's endpoint."""
