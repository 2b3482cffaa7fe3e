"""What finished runs show: comparisons, figures, reports, replays. It trains nothing."""
