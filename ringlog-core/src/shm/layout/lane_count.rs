//! How many lanes a ring of a size has, and how many it can have.

use super::{BadGeometry, Geometry, LANES_MAX};

impl Geometry {
    /// How many blocks fit into `size` bytes beside so many lanes.
    pub(super) fn blocks_in(size: u64, block_bytes: u32, lanes: u32) -> u64 {
        size.saturating_sub(Self::overhead(lanes.into())) / (u64::from(block_bytes) + 16)
    }

    /// The lanes of a ring of `size` bytes for which no number was given: one for every four blocks.
    pub(crate) fn default_lanes(size: u64, block_bytes: u32) -> u32 {
        (Self::blocks_in(size, block_bytes, 0) / 4).clamp(2, 1024) as u32
    }

    /// The largest number of lanes for which `size` bytes have two blocks each.
    pub(super) fn most_lanes(size: u64, block_bytes: u32) -> u32 {
        let is_enough = |lanes: u32| {
            let blocks = Self::blocks_in(size, block_bytes, lanes);
            blocks.saturating_sub((blocks / 8).max(1)) >= 2 * u64::from(lanes)
        };
        let (mut most, mut too_many) = (0, LANES_MAX + 1);
        while too_many - most > 1 {
            let middle = most.midpoint(too_many);
            if is_enough(middle) { most = middle } else { too_many = middle }
        }
        most
    }

    /// The smallest size that has two blocks for each of so many lanes beside the reserved ones.
    pub(super) fn least_size(block_bytes: u32, lanes: u32) -> u64 {
        let is_enough =
            |blocks: u64| blocks.saturating_sub((blocks / 8).max(1)) >= 2 * u64::from(lanes.max(1));
        let (mut too_few, mut blocks) = (0, 4 * u64::from(lanes.max(1)));
        while blocks - too_few > 1 {
            let middle = too_few.midpoint(blocks);
            if is_enough(middle) { blocks = middle } else { too_few = middle }
        }
        Self::overhead(lanes.into()) + blocks * (u64::from(block_bytes) + 16)
    }

    /// Whether a ring of this size has this number of lanes if none is given. The size that was given is known only up
    /// to what rounding has left of it.
    pub(crate) fn has_default_lanes(&self) -> bool {
        let least = self.area_offset() as u64;
        let most = least + u64::from(self.block_bytes) + 16 + 4096;
        let of = |size| Self::default_lanes(size, self.block_bytes);
        (of(least)..=of(most)).contains(&self.lane_count)
    }

    /// Refuses a number of lanes that no ring has, and one for which there are not enough blocks, where a smaller
    /// number would do.
    pub(super) fn check_lanes(size: u64, block_bytes: u32, lanes: u32) -> Result<(), BadGeometry> {
        let most = Self::most_lanes(size, block_bytes);
        if lanes > LANES_MAX {
            let of_size = match most {
                2.. => format!("; one of this size has room for {most}"),
                _ => String::new(),
            };
            return Err(BadGeometry(format!("{lanes} lanes; a ring has 2 to {LANES_MAX}{of_size}")));
        }
        if !(2..lanes).contains(&most) {
            return Ok(());
        }
        let blocks = Self::blocks_in(size, block_bytes, lanes);
        let reserved = (blocks / 8).max(1);
        Err(BadGeometry(format!(
            "{blocks} blocks of {block_bytes} bytes less {reserved} reserved leave {}, but {lanes} lanes need at least \
             two each, {}: enlarge the ring or ask for fewer lanes, with --lanes {most} at most",
            blocks.saturating_sub(reserved),
            2 * u64::from(lanes)
        )))
    }
}
