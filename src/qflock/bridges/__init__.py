"""Environments of other libraries as ours, and ours as theirs. Each is imported only when it is named.

``jaxmarl:``, ``jumanji:``, ``camar:``, ``vmas:``, ``pettingzoo:`` and ``gymnasium:`` in front of a name bring
an environment in; `as_pettingzoo` takes ours out.
"""
