"""What finished runs show: comparisons, figures, reports, replays. It trains nothing."""

import logging

# Where its cache cannot be written matplotlib works all the same; what it says of that is not for users.
ITS_CACHE = ("mkdir -p failed", "Matplotlib created a temporary cache", "Could not save font_manager cache")
for _name in ("matplotlib", "matplotlib.font_manager"):
    logging.getLogger(_name).addFilter(lambda record: not str(record.msg).startswith(ITS_CACHE))
