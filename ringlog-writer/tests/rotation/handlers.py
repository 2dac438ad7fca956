# Logs given records through the rotating handlers, with a given clock. Each line of standard input is one run, as JSON.
# Each gets one line back: "as planned", or "off" if a rotation was planned for another time than the clock shows.

import datetime
import json
import logging
import logging.handlers
import os
import sys
import time

now = 0.0
time.time = lambda: now


class RotatingFileHandler(logging.handlers.RotatingFileHandler):
    """As in Python 3.13, which closes no empty file."""

    def shouldRollover(self, record):
        if sys.version_info < (3, 13) and os.path.getsize(self.baseFilename) == 0:
            return False
        return super().shouldRollover(record)


def open_handler(run, path, began):
    # After a restart Python counts an interval from the last write. Here it counts from the file's first record.
    os.utime(path, (began, began))
    if run["when"] is None:
        return RotatingFileHandler(path, maxBytes=run["size"], backupCount=run["count"])
    hour_and_minute = run["at"]
    return logging.handlers.TimedRotatingFileHandler(
        path,
        when=run["when"],
        interval=run["interval"],
        backupCount=run["count"],
        utc=run["zone"] == "utc",
        atTime=hour_and_minute and datetime.time(*hour_and_minute),
    )


def is_off(run, handler, since):
    """Python miscounts some days on which the clock is changed, and times of day that come twice."""
    if not run["at"]:
        return False
    convert = time.gmtime if run["zone"] == "utc" else time.localtime
    shown, hour_before = convert(handler.rolloverAt), convert(handler.rolloverAt - 3600)
    as_planned = [shown.tm_hour, shown.tm_min, shown.tm_sec] == run["at"] + [0]
    as_planned = as_planned and (run["when"][0] != "W" or shown.tm_wday == int(run["when"][1]))
    return not as_planned or hour_before[3:5] == shown[3:5] or handler.rolloverAt <= int(since)


def carry_out(run):
    global now
    os.environ["TZ"] = "UTC" if run["zone"] == "utc" else run["zone"]
    time.tzset()
    path = os.path.join(run["dir"], "app.log")
    now = began = run["start"]
    open(path, "x").close()
    handler = open_handler(run, path, began)
    off = is_off(run, handler, now)
    for at, text in run["log"]:
        if text is None:
            # A new process begins.
            handler.close()
            handler = open_handler(run, path, began)
            off |= is_off(run, handler, began)
        else:
            now = at
            rollover_at = getattr(handler, "rolloverAt", None)
            handler.emit(logging.LogRecord("", 20, "", 0, text, None, None))
            if rollover_at != getattr(handler, "rolloverAt", None):
                off |= is_off(run, handler, now)
                began = now
    handler.close()
    return "off" if off else "as planned"


logging.raiseExceptions = True
for line in sys.stdin:
    print(carry_out(json.loads(line)), flush=True)
