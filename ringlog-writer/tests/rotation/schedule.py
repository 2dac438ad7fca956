# Times of rotation by another way than the writer's: by looking at a zone's clock every quarter of an hour.
# Prints "zone|every|at|after|expected" for random zones, years and rules; half of them near a change of the clock.

import datetime
import random
import sys
import zoneinfo

STEP = 900
DAY = 86400
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
EPOCH = datetime.datetime(1970, 1, 1)


def clock(zone, at):
    """What the clock shows, in seconds since it showed the beginning of 1970."""
    shown = datetime.datetime.fromtimestamp(at, zone).replace(tzinfo=None)
    return int((shown - EPOCH).total_seconds())


def changes(zone, year):
    """The quarters of an hour of a year at which the clock is changed."""
    start = int(datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
    found = []
    for at in range(start, start + 366 * DAY, 6 * 3600):
        if clock(zone, at + 6 * 3600) - clock(zone, at) != 6 * 3600:
            inner = range(at, at + 6 * 3600, STEP)
            found += [t + STEP for t in inner if clock(zone, t + STEP) - clock(zone, t) != STEP]
    return found


def by_interval(zone, after, every):
    """The clock shows a multiple, or jumps over one."""
    at = after - after % STEP
    while True:
        before, at = clock(zone, at), at + STEP
        now = clock(zone, at)
        passed = range(min(before + STEP, now), now + 1, STEP)
        if any(second % every == 0 for second in passed):
            return at


def by_day(zone, after, time, weekday):
    """The clock shows, for the first time, a later time than ever before, and a time to rotate is among them."""
    at = after - after % STEP - 3 * DAY
    latest = clock(zone, at)
    while True:
        at += STEP
        now = clock(zone, at)
        for second in range(latest + STEP, now + 1, STEP):
            is_day = weekday is None or (second // DAY + 3) % 7 == weekday
            if at > after and is_day and second % DAY == time:
                return at
        latest = max(latest, now)


def main(seed, count):
    pick = random.Random(seed)
    zones = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc"))
    while count:
        name, year = pick.choice(zones), pick.randrange(1976, 2060)
        zone = zoneinfo.ZoneInfo(name)
        near = changes(zone, year) or [pick.randrange(200_000_000, 2_800_000_000)]
        # Some clocks were once changed by minutes; the quarters do not see those rightly.
        if any((clock(zone, at) - at) % STEP for at in [near[0] - 9 * DAY, near[0], near[-1] + 9 * DAY]):
            continue
        for _ in range(8):
            after = pick.choice(near) + pick.randrange(-2 * DAY, 2 * DAY)
            if pick.random() < 0.3:
                after -= after % STEP
            rule = pick.choice(["interval", "midnight", "weekday"])
            at = pick.randrange(0, 96) * STEP if pick.random() < 0.7 else 0
            # Most clocks are changed at night.
            at = at % (4 * 3600) if pick.random() < 0.6 else at
            weekday = pick.randrange(7)
            text = "%02d:%02d" % (at // 3600, at // 60 % 60)
            if rule == "interval":
                number, unit, seconds = pick.choice(
                    [(15, "min", 900), (45, "min", 2700), (1, "h", 3600), (2, "h", 7200), (5, "h", 18000)]
                    + [(6, "h", 21600), (12, "h", 43200), (1, "d", DAY), (3, "d", 3 * DAY)]
                )
                every, text, expected = f"{number}{unit}", "", by_interval(zone, after, seconds)
            elif rule == "midnight":
                every, expected = "midnight", by_day(zone, after, at, None)
            else:
                every, expected = WEEKDAYS[weekday], by_day(zone, after, at, weekday)
            print(f"{name}|{every}|{text}|{after}|{expected}")
            count -= 1
            if not count:
                break


main(int(sys.argv[1]), int(sys.argv[2]))
