"""The tiny games. Action 0 is to wait; what the others do, each game says."""

from __future__ import annotations

from tests.games.rules import Game, Joint, Place

WAIT, GO, DO = 0, 1, 2


def _now_or_later(action: int, now: float, later: float, steps: int):
    """(time, done): agent 0 may do the action at once, else is paid now; after the steps the team has the
    later pay if it was done."""

    def step(place: Place, joint: Joint):
        t, done = place
        if t == 0:
            done = int(joint[0] == action)
            return (1, done), (0.0 if done else now, 0.0)
        return (t + 1, done), (0.0, later * done if t == steps - 1 else 0.0)

    return step


def _stay(place: Place, joint: Joint):
    """(time, gone, gone): whoever waits is paid 0.4, whoever goes 1.5 once."""
    t, *gone = place
    paid = [0.0 if out else 1.5 if action == GO else 0.4 for out, action in zip(gone, joint, strict=True)]
    gone = [int(out or action == GO) for out, action in zip(gone, joint, strict=True)]
    return (t + 1, *gone), (paid[0], paid[1])


def _return(place: Place, joint: Joint):
    """(time, went): agent 0 may go at once, else is paid 1. It is back at 3; then both can do what pays 4."""
    t, went = place
    if t == 0:
        went = int(joint[0] == GO)
        return (1, went), (0.0 if went else 1.0, 0.0)
    done = t == 3 and went and joint == (DO, DO)
    return (t + 1, went), (2.0 * done, 2.0 * done)


def _alone(place: Place, joint: Joint):
    """(place,): to go ends the game for 0.5, to do moves on, and from the fourth place earns 2."""
    (at,) = place
    if joint[0] == GO:
        return (9,), (0.5, 0.0)
    at += joint[0] == DO
    return (at,), (2.0 if at == 4 else 0.0, 0.0)


def _forced(place: Place, joint: Joint):
    """(time, right): agent 0 chooses at 2 and at 4 alone; only to do both times pays, 2 at the end."""
    t, right = place
    if t in (2, 4):
        right += joint[0] == DO
    now = 0.5 if t == 2 and joint[0] == GO else 0.0
    return (t + 1, right), (now + (2.0 if t == 5 and right == 2 else 0.0), 0.0)


def _after_all(place: Place, joint: Joint):
    """(time, gone, gone): who waits at 0 is paid 0.8. At 4 the team has 4 if both have gone, 2.2 if one."""
    t, *gone = place
    if t == 0:
        gone = [int(action == GO) for action in joint]
        return (1, *gone), (0.8 * (1 - gone[0]), 0.8 * (1 - gone[1]))
    return (t + 1, *gone), ((0.0, 2.2, 4.0)[sum(gone)] if t == 3 else 0.0, 0.0)


def _goes_on(place: Place, joint: Joint):
    """(spoilt, spoilt): to wait pays 0.3 for ever, to go 1.5 once and then nothing."""
    paid = [0.0 if out else 1.5 if action == GO else 0.3 for out, action in zip(place, joint, strict=True)]
    after = tuple(int(out or action == GO) for out, action in zip(place, joint, strict=True))
    return after, (paid[0], paid[1])


def _clock_of_one(place: Place, joint: Joint):
    """(time, planted): agent 0 is there twice; not to plant pays 0.4, what is planted 1.5 each at the end."""
    t, planted = place
    now = 0.0
    if t < 2:
        planted += joint[0] == DO
        now = 0.4 * (joint[0] != DO)
    return (t + 1, planted), (now, 1.5 * planted if t == 5 else 0.0)


def _unequal(place: Place, joint: Joint):
    """(lane,): agent 0 chooses one of three lanes, then agent 1 one of two answers."""
    (lane,) = place
    if lane == 3:
        return (joint[0],), (0.0, 0.0)
    return (4,), (0.0, ((1.0, 0.0), (0.0, 2.0), (3.0, -1.0))[lane][min(joint[1], 1)])


def _gift(place: Place, joint: Joint):
    """(time,): to give costs agent 0 a half and is worth 1 to agent 1, three times."""
    (t,) = place
    gives = joint[0] == DO
    return (t + 1,), (-0.5 * gives, 1.0 * gives)


def _two_step(place: Place, joint: Joint):
    """(table,): agent 0 picks a table; one pays 7 whatever is done, the other 0, 1, 1 or 8."""
    (table,) = place
    if table == 2:
        return (int(joint[0] != WAIT),), (0.0, 0.0)
    cell = [int(action != WAIT) for action in joint]
    return (3,), (7.0 if table == 0 else (0.0, 1.0, 8.0)[sum(cell)], 0.0)


def _own_bonus(place: Place, joint: Joint):
    """(time, gone): agent 0 may go for 0.5, else is paid 0.4 a step. What it is paid once it has gone, 1 a
    step, is not its own any more."""
    t, gone = place
    paid = 1.0 if gone else 0.5 if joint[0] == GO else 0.4
    return (t + 1, int(gone or joint[0] == GO)), (paid, 0.0)


def _own_exit(place: Place, joint: Joint):
    """(time, gone, gone): whoever goes at 2 is paid 3, before that 1, later nothing; to wait pays 0.2."""
    t, *gone = place
    worth = 3.0 if t == 2 else 1.0 if t < 2 else 0.0
    paid = [0.0 if out else worth if action == GO else 0.2 for out, action in zip(gone, joint, strict=True)]
    gone = [int(out or action == GO) for out, action in zip(gone, joint, strict=True)]
    return (t + 1, *gone), (paid[0], paid[1])


def _not(place: Place) -> tuple[bool, bool]:
    return (not place[1], not place[2])


GAMES = (
    Game(
        "leave_for_team",
        "the team's reward goes on when an agent has left",
        (0, 0),
        _now_or_later(GO, 1.0, 3.0, 6),
        lambda p: p[0] == 6,
        lambda p: (not p[1], True),
        blind=True,
    ),
    Game(
        "stay_for_team",
        "no value of those who have left is made up",
        (0, 0, 0),
        _stay,
        lambda p: p[0] == 6 or p[1] + p[2] == 2,
        _not,
    ),
    Game(
        "leave_and_return",
        "an agent that comes back is still worth what it does",
        (0, 0),
        _return,
        lambda p: p[0] == 4,
        lambda p: (not (p[1] and p[0] in (1, 2)), True),
    ),
    Game(
        "one_agent",
        "an agent that was never there does not matter",
        (0,),
        _alone,
        lambda p: p[0] in (4, 9),
        lambda p: (True, False),
    ),
    Game(
        "one_legal_action",
        "choices count where there are any",
        (0, 0),
        _forced,
        lambda p: p[0] == 6,
        legal=lambda p: ((0, 1, 2) if p[0] in (2, 4) else (1,), (2,)),
    ),
    Game(
        "after_all_have_gone",
        "the team's reward goes on when nobody is there",
        (0, 0, 0),
        _after_all,
        lambda p: p[0] == 4,
        _not,
    ),
    Game("clock", "a clock that runs out is no end", (0, 0), _goes_on, lambda p: False, clock=5),
    Game(
        "clock_of_one",
        "the team goes on when one agent's time is over",
        (0, 0),
        _clock_of_one,
        lambda p: p[0] == 6,
        lambda p: (p[0] < 2, True),
    ),
    Game(
        "long_delay",
        "a reward sixteen steps later",
        (0, 0),
        _now_or_later(DO, 0.5, 8.0, 16),
        lambda p: p[0] == 16,
    ),
    Game(
        "unequal_agents",
        "agents with other actions, one after the other",
        (3,),
        _unequal,
        lambda p: p[0] == 4,
        legal=lambda p: ((0, 1, 2), (0, 1)),
    ),
    Game("gift", "the team's reward, not one's own", (0,), _gift, lambda p: p[0] == 3),
    Game(
        "two_step",
        "a joint action that a sum of values cannot say",
        (2,),
        _two_step,
        lambda p: p[0] == 3,
        legal=lambda p: ((0, 1), (0, 1)),
    ),
    Game(
        "own_stay",
        "what one earns oneself, until one leaves",
        (0, 0, 0),
        _stay,
        lambda p: p[0] == 6 or p[1] + p[2] == 2,
        _not,
        reward="own",
    ),
    Game(
        "own_bonus",
        "nothing that is paid after one has left",
        (0, 0),
        _own_bonus,
        lambda p: p[0] == 5,
        lambda p: (not p[1], True),
        reward="own",
    ),
    Game(
        "own_exit",
        "the right time to leave",
        (0, 0, 0),
        _own_exit,
        lambda p: p[0] == 4 or p[1] + p[2] == 2,
        _not,
        reward="own",
    ),
)
"""Names, and what each asks for, are in the table of docs/games.md."""
