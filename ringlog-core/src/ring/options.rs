//! The options of a new ring.

use crate::error::Error;
use crate::ring::units::parse_size;
use crate::shm::clock::Clock;
use crate::shm::layout::Geometry;
use crate::shm::overflow::Overflow;

/// The size of a ring: a number of bytes or a text such as `"16MiB"`.
#[derive(Clone, Debug)]
pub struct Size(Result<u64, String>);

impl Size {
    /// The number of bytes, if the text was a size.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.0.as_ref().ok().copied()
    }
}

impl From<u64> for Size {
    fn from(bytes: u64) -> Size {
        Size(Ok(bytes))
    }
}

impl From<&str> for Size {
    fn from(text: &str) -> Size {
        Size(parse_size(text))
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    /// As from a `&str`, but a text that is no size is an error here.
    fn from_str(text: &str) -> Result<Size, String> {
        parse_size(text).map(Size::from)
    }
}

/// How a ring is made; see [`Ring::options`](crate::Ring::options).
#[derive(Clone, Debug)]
pub struct Options {
    size: Size,
    lanes: Option<u32>,
    block_bytes: Option<u32>,
    definitions: Option<Size>,
    pub(crate) overflow: Overflow,
    /// Items that the ring takes as a queue; 0 for as many as it holds.
    pub(crate) bound: u64,
    pub(crate) mode: u32,
    pub(crate) group: Option<u32>,
    pub(crate) clock: Option<Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            size: Size(Ok(16 << 20)),
            lanes: None,
            block_bytes: None,
            definitions: None,
            overflow: Overflow::Drop,
            bound: 0,
            mode: 0o600,
            group: None,
            clock: None,
        }
    }
}

impl Options {
    /// Size of the file without the area for [definitions](Self::definitions), 16 MiB by default.
    pub fn size(mut self, size: impl Into<Size>) -> Self {
        self.size = size.into();
        self
    }

    /// How many lanes: threads that log at the same time, plus one for each process. By default one for
    /// every four blocks.
    pub fn lanes(mut self, lanes: u32) -> Self {
        self.lanes = Some(lanes);
        self
    }

    /// Size of a block in bytes, a power of two from 1 KiB to 1 MiB: 8 KiB by default, 16 KiB in rings
    /// above 64 MiB.
    pub fn block_bytes(mut self, bytes: u32) -> Self {
        self.block_bytes = Some(bytes);
        self
    }

    /// Size of the area for definitions, which comes on top of the ring's size: 4 KiB to 256 MiB, by default an eighth
    /// of the size, at least 64 KiB. A definition is stored once for all processes in which it is the same. Where the
    /// area is full, records bring their definitions along.
    pub fn definitions(mut self, size: impl Into<Size>) -> Self {
        self.definitions = Some(size.into());
        self
    }

    /// What happens when the ring is full; [`Overflow::Drop`] by default.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Permissions of the file, 0600 by default. A process that may write the file can forge and erase records.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Group of the file, by its number.
    pub fn group(mut self, gid: u32) -> Self {
        self.group = Some(gid);
        self
    }

    /// The clock of time stamps; by default the cheapest reliable one. A ring keeps its clock. Creating the ring fails
    /// with [`Error::Clock`] if the clock is not reliable on this machine.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The sizes and offsets of the ring that these options make, without making it.
    ///
    /// # Errors
    /// [`Error::Geometry`] with the arithmetic, if they make no ring.
    pub fn geometry(&self) -> Result<Geometry, Error> {
        let size = self.size.0.clone().map_err(Error::Geometry)?;
        let definitions = self.definitions.clone().map(|size| size.0).transpose().map_err(Error::Geometry)?;
        Geometry::fit(size, self.block_bytes, self.lanes, definitions)
            .map_err(|why| Error::Geometry(why.to_string()))
    }
}
