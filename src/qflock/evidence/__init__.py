"""What finished runs show: comparisons, figures, reports, replays. It trains nothing."""

import logging

# Without a home folder matplotlib keeps its cache elsewhere; its two lines about that are not for users.
logging.getLogger("matplotlib").addFilter(
    lambda record: not str(record.msg).startswith(("mkdir -p failed", "Matplotlib created a temporary cache"))
)
