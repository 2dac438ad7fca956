//! Records of sites made at run time.

use crate::record::encode::Encoder;
use crate::record::level::Level;
use crate::record::record_trait::{Inferred, Record};
use crate::record::site::Site;
use crate::record::value::Value;

/// A record of a site made at run time: its values, in the definition's order.
pub(crate) struct Values<'a> {
    site: &'a Site,
    values: &'a [Value<'a>],
}

impl<'a> Values<'a> {
    /// The record, if these values are of the types that the site's definition names.
    pub(crate) fn new(site: &'a Site, values: &'a [Value<'a>]) -> Option<Values<'a>> {
        let fields = &site.definition().fields;
        let fit = fields.len() == values.len()
            && fields.iter().zip(values).all(|(field, value)| value.is_of(field.ty));
        fit.then_some(Values { site, values })
    }
}

impl Record for Values<'_> {
    fn site(&self) -> &Site {
        self.site
    }

    /// The definition's level, or the first value if the definition has `level_in_record`.
    fn level(&self) -> Level {
        let definition = self.site.definition();
        match self.values.first() {
            Some(Value::Level(level)) if definition.level_in_record => *level,
            _ => definition.level,
        }
    }

    #[inline(always)]
    fn inferred(&self) -> Inferred {
        Inferred { run_time: true, ..Inferred::NOTHING }
    }

    fn payload_bytes(&self) -> usize {
        let fields = self.site.definition().fields.iter();
        fields.zip(self.values).map(|(field, value)| value.payload_bytes(field.ty)).sum()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        for (field, value) in self.site.definition().fields.iter().zip(self.values) {
            value.encode(field.ty, out);
        }
    }
}
