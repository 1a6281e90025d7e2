"""Probes turn a case and a model into numbers; engines put the queries to a model."""
