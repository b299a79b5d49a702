"""The flow table, from the native core."""
