"""Daily and weekly reports as page, PDF and mail."""
