"""Constitution -> transcripts -> samples -> adapter."""
