//! Plain text: the records of the built-in definition.

use crate::record::definition::Definition;
use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::record_trait::Record;
use crate::record::site::Site;

/// The built-in definition of plain text: level, logger, file, line, module, function, message.
pub(crate) const TEXT: u32 = 0;

/// The built-in definition's site. It is never registered: every reader knows its definition.
pub(crate) fn text_site() -> &'static Site {
    static TEXT: Site = Site::new(Definition::new(Level::INFO, ""));
    &TEXT
}

/// A record of the built-in definition.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) level: Level,
    pub(crate) logger: &'a str,
    pub(crate) file: &'a str,
    pub(crate) line: u32,
    pub(crate) module: &'a str,
    pub(crate) function: &'a str,
    pub(crate) message: &'a [u8],
}

impl Text<'_> {
    pub(crate) const EMPTY: Text<'static> =
        Text { level: Level::INFO, logger: "", file: "", line: 0, module: "", function: "", message: b"" };
}

impl Record for Text<'_> {
    fn site(&self) -> &Site {
        text_site()
    }

    fn level(&self) -> Level {
        self.level
    }

    #[inline(always)]
    fn payload_bytes(&self) -> usize {
        let place = self.logger.len() + self.file.len() + self.module.len() + self.function.len();
        1 + 4 + 5 * 4 + place + self.message.len()
    }

    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        self.encode_place(out);
        out.put_bytes(self.message);
    }
}

impl Text<'_> {
    /// Encodes all fields but the message.
    #[inline(always)]
    pub(crate) fn encode_place(&self, out: &mut Encoder<'_>) {
        out.put_u8(self.level.number());
        out.put_bytes(self.logger.as_bytes());
        if self.file.is_empty() && self.module.is_empty() && self.function.is_empty() {
            // The same bytes as below, in two words.
            out.put_u64(u64::from(self.line) << 32);
            out.put_u64(0);
            return;
        }
        out.put_bytes(self.file.as_bytes());
        out.put_u32(self.line);
        out.put_bytes(self.module.as_bytes());
        out.put_bytes(self.function.as_bytes());
    }
}
