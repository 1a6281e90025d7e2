"""Numbers -> effects -> gaps -> verdicts -> projectability. Pure: numpy and scipy only."""
