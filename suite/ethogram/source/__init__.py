"""Source models: fetched, checked, converted once, loaded, and spoken to in their own template."""
