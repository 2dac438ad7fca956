//! A reading as text.

use std::time::Duration;

use ringlog::admin::Shown;
use ringlog::reader::{ConsumerStat, LaneStat, ReclaimStat, RefusedStat, RingStat};

use super::reading::Reading;
use super::{definitions, ends, numbers, outputs};
use crate::{humanize, option_values, terminal};

pub(super) fn text(reading: &Reading) -> String {
    let Reading { observer, stat, .. } = reading;
    let count = humanize::count;
    let mut lines = vec![
        format!("ring      {}", observer.path().shown()),
        format!(
            "records   {} published, {} persisted, {} behind{}, {} dropped",
            count(stat.published),
            count(stat.persisted),
            count(stat.lag()),
            if reading.oldest_unix_ns.is_some() {
                format!(" by {}", humanize::span_of(reading.behind()))
            } else {
                String::new()
            },
            count(stat.dropped),
        ),
        format!(
            "blocks    {} of {} free",
            count(stat.free_blocks.into()),
            count(observer.info().geometry().block_count().into())
        ),
        definitions::line(stat),
        format!("reclaim   {}", reclaim(&stat.reclaim)),
        format!("overflow  {}", option_values::overflow_text(stat.overflow)),
        format!("writer    {}", stat.consumer.as_ref().map_or("none".to_owned(), |now| writer(now, stat))),
    ];
    if let Some(status) = &reading.status {
        lines.extend(outputs::lines(status, stat.consumer.as_ref()));
    }
    if let Some(error) = &reading.status_error {
        lines.push(format!(
            "outputs   not known: what the writer says of them cannot be read: {}",
            terminal::escape(error)
        ));
    }
    if stat.described > 0 {
        lines.extend(definitions::described(stat));
    }
    if observer.info().is_of_earlier_boot() {
        let what = "made before the machine was started: it takes no new records, and waits to be drained";
        lines.push(format!("boot      {what}"));
    }
    for old in observer.of_earlier_boots() {
        let old = terminal::escape(&old.display().to_string());
        lines.push(format!("earlier   {old} waits to be drained by the next writer"));
    }
    if !stat.owners_known {
        let why = match stat.lock_file_missing {
            true => "its lock file is missing",
            false => "only who may write the ring sees its locks",
        };
        lines.push(format!("owners    not known to be alive: {why}; shown is what the ring says"));
    }
    lines.extend(refusals(&stat.refused).map(|(name, text)| format!("{name:<9} {text}")));
    lines.extend(ends::line(&stat.ends));
    lines.extend(numbers::lines(reading));
    if stat.retired {
        lines.push("retired   removed or replaced; producers get an error at their next block".to_owned());
    }
    if stat.lanes.is_empty() {
        lines.push("lanes     none has been used yet".to_owned());
    } else {
        lines.push(String::new());
        lines.push(lanes(stat));
    }
    lines.join("\n")
}

/// Why records were dropped, and what helps: a line for each reason that there was.
pub(crate) fn refusals(refused: &RefusedStat) -> impl Iterator<Item = (&'static str, String)> {
    let system = std::io::Error::from_raw_os_error(refused.system_error);
    let reasons = [
        (
            "full",
            refused.full,
            "the ring was full; a larger --size, or --overflow block with a longer time, loses less"
                .to_owned(),
        ),
        ("no lane", refused.no_lane, "every lane was in use; make the ring with more --lanes".to_owned()),
        (
            "nested",
            refused.nested,
            "they were logged inside an unfinished log call, where no lane could take them".to_owned(),
        ),
        (
            "unfit",
            refused.unfit,
            "they were larger than the ring takes, or not as their definition says".to_owned(),
        ),
        ("system", refused.system, format!("the system gave no lane or memory: {system}")),
        (
            "no ring",
            refused.no_ring,
            "the ring before was removed or replaced, and this one was not there yet".to_owned(),
        ),
        (
            "left",
            refused.left,
            "they were left in a ring of this name that was removed or replaced".to_owned(),
        ),
    ];
    let some = reasons.into_iter().filter(|(_, count, _)| *count > 0);
    some.map(|(name, count, why)| (name, format!("{} dropped: {why}", humanize::records(count))))
}

fn reclaim(reclaim: &ReclaimStat) -> String {
    let blocks = match reclaim.blocks {
        1 => "1 block of an ended owner freed".to_owned(),
        blocks => format!("{} blocks of ended owners freed", humanize::count(blocks)),
    };
    let within = match (reclaim.last_within, reclaim.longest_within) {
        (Some(last), Some(longest)) => {
            let (last, longest) = (humanize::at_most(last), humanize::at_most(longest));
            format!(", the last at most {last} after its owner's end, the longest {longest}")
        }
        _ => String::new(),
    };
    let looked = match reclaim.looked_unix_ns {
        0 => "no writer has looked for ended owners".to_owned(),
        looked => format!("a writer last looked for ended owners {}", humanize::ago(looked)),
    };
    format!("{blocks}{within}; {looked}")
}

fn writer(consumer: &ConsumerStat, stat: &RingStat) -> String {
    format!(
        "{} {}, since {} ({}), last polled {}",
        terminal::escape(&consumer.holder),
        if stat.owners_known { "alive" } else { "not ended in order" },
        humanize::time(consumer.since_unix_ns),
        humanize::ago(consumer.since_unix_ns),
        match consumer.beat_unix_ns {
            0 => "never".to_owned(),
            beat => humanize::ago(beat),
        }
    )
}

fn lanes(stat: &RingStat) -> String {
    let headings = [
        ">LANE",
        "STATE",
        "PROCESS",
        ">PID",
        "THREAD",
        ">TID",
        ">PUBLISHED",
        ">PERSISTED",
        ">BEHIND",
        ">DROPPED",
    ];
    let mut table = terminal::table(&headings);
    for lane in &stat.lanes {
        let thread = if lane.is_process { "(process)".to_owned() } else { terminal::escape(&lane.thread) };
        table.add_row([
            lane.lane.to_string(),
            state(lane, stat).to_owned(),
            terminal::escape(&lane.process),
            lane.pid.to_string(),
            thread,
            lane.tid.to_string(),
            humanize::count(lane.published),
            humanize::count(lane.persisted),
            humanize::count(lane.published.saturating_sub(lane.persisted)),
            humanize::count(lane.dropped),
        ]);
    }
    terminal::table_text(&table)
}

pub(super) fn state(lane: &LaneStat, stat: &RingStat) -> &'static str {
    match (lane.open, lane.alive) {
        (true, _) if !stat.owners_known => "open",
        (true, true) => "alive",
        (true, false) => "dead",
        // The owner holds the lock, and has not yet written the lane's header.
        (false, true) => "opening",
        (false, false) => "closed",
    }
}

pub(super) fn rates(old: &RingStat, new: &RingStat, time: Duration) -> String {
    let rate =
        |old: u64, new: u64| humanize::count((new.saturating_sub(old) as f64 / time.as_secs_f64()) as u64);
    format!(
        "rates     {}/s published, {}/s persisted, {}/s dropped",
        rate(old.published, new.published),
        rate(old.persisted, new.persisted),
        rate(old.dropped, new.dropped)
    )
}
