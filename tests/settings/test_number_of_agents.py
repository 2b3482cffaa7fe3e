"""A learner's setting of the number of agents."""

import pytest

from qflock.core.errors import UserError
from qflock.settings import config


def test_a_number_of_agents_by_its_published_name_reaches_environments_that_can_have_it():
    of = lambda **given: config.resolve("qmarl", overrides={"n_gs": 4, **given}).environment
    assert of(env="forest_uav").n_agents == 4
    assert of(**{"env": "forest_uav", "env.n_agents": 4}).n_agents == 4
    assert config.resolve("qmarl", overrides={"env": "forest_uav"}).environment.n_agents == 10
    with pytest.raises(UserError, match=r"^n_gs is 4 and env\.n_agents 3; leave one of them out$"):
        of(**{"env": "forest_uav", "env.n_agents": 3})
    assert not hasattr(of(env="coin_game"), "n_agents")  # which the learner refuses
