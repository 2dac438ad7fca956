//! The layout pinned by literal numbers. A change here is a change of the format: it needs a new
//! version, a line in FORMAT.md and a new golden ring.

use super::*;

#[test]
fn the_file_header_lies_where_format_md_says() {
    assert_eq!(super::MAGIC.to_le_bytes(), *b"RINGLOG\x1a");
    assert_eq!((VERSION_MAJOR, VERSION_MINOR), (1, 1));
    use header::*;
    assert_eq!(
        [VERSION, BYTE_ORDER, FILE_BYTES, BLOCKS, LANES, CLOCK, NS_PER_TICK, UUID, BOOT_ID],
        [8, 16, 24, 32, 40, 48, 56, 64, 80]
    );
    assert_eq!(
        [CREATED_TICKS, CREATED_UNIX_NS, CREATED_MONOTONIC_NS, CREATOR_PID, DEFINITIONS, CHECKSUM],
        [96, 104, 112, 120, 128, 136]
    );
    assert_eq!([OVERFLOW, BLOCK_DEADLINE_NS, FLAGS, STOP_REQUESTS], [272, 280, 288, 296]);
    assert_eq!([ROTATE_REQUESTS, ROTATE_REQUESTS_DONE], [304, 312]);
    assert_eq!([RELOAD_REQUESTS, RELOAD_ANSWER], [320, 328]);
    assert_eq!([TRUST_CLOCK_REQUESTS, TRUST_CLOCK_REQUESTS_DONE], [344, 352]);
    assert_eq!([ROTATE_OUTCOME, DEFINITION_LIMITS], [360, 368]);
    assert_eq!(
        [CONSUMER_PID, CONSUMER_SINCE_UNIX_NS, CONSUMER_BEAT_UNIX_NS, CONSUMER_PERSISTED, CONSUMER_LATE],
        [512, 520, 528, 536, 544]
    );
    assert_eq!([CONSUMER_DAMAGED, RECLAIMED, CONSUMER_LOOKED_UNIX_NS, CONSUMER_NAME], [552, 560, 568, 576]);
    assert_eq!([RECLAIMED_WITHIN_NS, RECLAIMED_WITHIN_MAX_NS, CONSUMER_DESCRIBED], [608, 616, 624]);
    assert_eq!([ENDED_BY_SIGNAL, ENDED_BY_STATUS, ENDED_BY_EXEC, ENDED_UNKNOWN], [632, 936, 944, 952]);
    assert_eq!((LEVEL_EPOCH, LEVEL_RULES, LEVEL_RULES_BYTES), (256, [1024, 2048], 1024));
    assert_eq!([SLEEP, FREED, FREED_WAITERS], [640, 704, 768]);
    assert_eq!([DROPPED_WITHOUT_LANE, DROPPED_WITHOUT_LANE_REPORTED], [832, 896]);
    assert_eq!([SEGMENTS_FREED, BYTES], [960, 4096]);
    assert_eq!([DROPPED_BY_SYSTEM, DROPPED_ERRNO, DROPPED_WHILE_OPENING], [840, 864, 872]);
    assert_eq!([DROPPED_BY_SYSTEM_REPORTED, DROPPED_WHILE_OPENING_REPORTED], [920, 928]);
    assert_eq!([GETTING, PUTTING, QUEUE_BOUND, QUEUE_PERMITS, CLAIMS], [3072, 3136, 3200, 3208, 3216]);
    assert_eq!([ROOM_WAITERS, ROOM_TURNS], [3264, 3272]);
    assert_eq!([role::HOLDER, role::LAST, role::CLAIMED, role::WAITERS, role::TURNS], [0, 8, 16, 24, 32]);
    assert_eq!([claim::PART, claim::NUMBER, claim::BYTES, claim::LET_GO], [2, 3, 5, 12]);
}

#[test]
fn a_lane_entry_lies_where_format_md_says() {
    use lane::*;
    assert_eq!(
        [STATE, PID_TID, PROCESS, OPENED_UNIX_NS, PUBLISHED, DROPPED, DROPPED_AT_OPEN, UNCLEAN_EXITS],
        [0, 8, 16, 24, 32, 40, 48, 56]
    );
    assert_eq!(
        [THREAD_NAME, PROCESS_NAME, PERSISTED, DROPPED_REPORTED, NEXT, NEXT_SEQUENCE, BYTES],
        [64, 96, 128, 136, 144, 152, 384]
    );
    assert_eq!(
        [EXITS_REPORTED, DEAD_INCARNATION, DEAD_PID_TID, DEAD_PROCESS, DEAD_THREAD_NAME, DEAD_PROCESS_NAME],
        [160, 168, 176, 184, 192, 224]
    );
    assert_eq!([FILTER, FILTER_BYTES, PUBLISHED_AT_OPEN, PINS], [256, 96, 352, 360]);
    assert_eq!([DROPPED_FOR, DROPPED_FOR_REPORTED], [368, 376]);
}

#[test]
fn a_block_header_lies_where_format_md_says() {
    use block::*;
    assert_eq!(
        [COMMITTED, LANE, CHAIN, FIRST_SEQUENCE, PROCESS, PID_TID, DROPPED, DROPPED_AT_LANE_OPEN],
        [0, 1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(
        [ANCHOR_TICKS, ANCHOR_UNIX_NS, NS_PER_TICK, UNCLEAN_EXITS, CLOSED, BOOT],
        [8, 9, 10, 11, 12, 14]
    );
    assert_eq!([DROPPED_FOR, THREAD_NAME, PROCESS_NAME, WORDS], [13, 16, 20, 24]);
    assert_eq!((BLOCK_HEADER_SLOTS, SLOT_BYTES, RECORD_HEADER_BYTES), (3, 64, 16));
}

#[test]
fn the_locks_lie_beyond_any_file() {
    assert_eq!(
        (lock::lane(7), lock::ATTACH, lock::CONSUMER, lock::LEVELS, lock::HOLD, lock::TEST),
        (7, 1 << 40, (1 << 40) + 1, (1 << 40) + 2, (1 << 40) + 3, 1 << 41)
    );
}

#[test]
fn sixteen_mebibytes_make_this_ring() {
    let ring = Geometry::fit(16 << 20, None, None, None).unwrap();
    assert_eq!((ring.block_bytes, ring.block_count, ring.lane_count), (8192, 2019, 510));
    assert_eq!((ring.reserved_blocks, ring.headroom_slots), (252, 4));
    assert_eq!((ring.lanes_offset(), ring.states_offset()), (4096, 199_936));
    assert_eq!((ring.progress_offset(), ring.blocks_offset()), (216_088, 233_472));
    assert_eq!(ring.area_offset(), 233_472 + 2019 * 8192);
    assert!(ring.area_offset() <= 16 << 20);
    assert_eq!(ring.definition_bytes(), 131_584 + 64 * 479 * 64);
    assert_eq!(ring.record_limit(), 2019 * 8192 / 4);
}

#[test]
fn too_many_lanes_fail_with_the_arithmetic() {
    let error = Geometry::fit(1 << 20, None, Some(100_000_000), None).unwrap_err().to_string();
    assert!(
        error.ends_with("100000000 lanes; a ring has 2 to 1048576; one of this size has room for 54"),
        "{error}"
    );
    let error = Geometry::fit(1 << 20, None, Some(100), None).unwrap_err().to_string();
    assert!(
        error.contains("100 lanes need at least two each, 200: enlarge the ring or ask for fewer lanes"),
        "{error}"
    );
    let error = Geometry::fit(10_000, None, None, None).unwrap_err().to_string();
    assert!(error.contains("10000 bytes leave room for 0 blocks of 8192 bytes"), "{error}");
    assert!(!error.contains("was"), "{error}");
    assert!(Geometry::fit(1 << 20, Some(3000), None, None).unwrap_err().to_string().contains("power of two"));
}

#[test]
fn the_smallest_size_is_named() {
    for (block, lanes) in
        [(None, None), (None, Some(2)), (None, Some(100)), (Some(1024), Some(7)), (Some(1 << 20), None)]
    {
        let error = Geometry::fit(16, block, lanes, None).unwrap_err().to_string();
        assert!(error.ends_with("KiB; a number alone means bytes: was 16MiB meant?"), "{error}");
        let (_, least) = error.split_once("; expected at least ").unwrap();
        let kib: u64 = least.split_once("KiB").unwrap().0.parse().unwrap();
        Geometry::fit(kib << 10, block, lanes, None).unwrap();
        let error = Geometry::fit((kib - 1) << 10, block, lanes, None).unwrap_err().to_string();
        let is_refused = error.ends_with(&format!("; expected at least {kib}KiB"))
            || error.contains(" ask for fewer lanes");
        assert!(is_refused, "{error}");
    }
}

#[test]
fn numbers_that_disagree_are_refused() {
    let good = Geometry::fit(1 << 20, None, None, None).unwrap();
    let damaged = [
        Geometry { block_bytes: 8000, ..good },
        Geometry { block_count: u32::MAX, ..good },
        Geometry { lane_count: 0, ..good },
        Geometry { lane_count: u32::MAX, ..good },
        Geometry { reserved_blocks: good.block_count, ..good },
        Geometry { headroom_slots: 200, ..good },
        Geometry { definitions: Area::new(0, 0, 0), ..good },
        Geometry { file_bytes: good.file_bytes + 1, ..good },
    ];
    for geometry in damaged {
        assert!(geometry.check().is_err(), "{geometry:?}");
    }
}
