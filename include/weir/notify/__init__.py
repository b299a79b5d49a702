"""The family of ways to tell somebody."""
