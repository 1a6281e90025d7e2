"""Gaps -> terminal table and report.json. The only place with prose for people."""
