//! The definitions of Python's log records: found again for each record, made once for each place and shape.
//!
//! Two tables. The first finds a site by the identity of Python's objects, which are the same at each call of one
//! statement; it keeps them, so that no other object gets their address. The second finds it by what they say: for
//! records whose texts are new at each call, as after pickling, and after the first table was emptied.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use ringlog::Level;
use ringlog::schema::{Definition, Field, Site, Type};

use crate::fields::Shape;
use crate::place::Place;

/// Sites in the first table; it is emptied when it is full.
const BY_IDENTITY_MAX: usize = 4096;
/// Sites that this process makes. The definitions of the places beyond travel with each record.
const SITES_MAX: usize = 16_384;

/// The template of a message that is the first field.
pub(crate) const MESSAGE: &str = "{0}";

/// A place and the names and types of the record's fields.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Contents {
    pub place: Place,
    /// The template of the message.
    pub text: String,
    pub fields: Vec<(String, Type)>,
}

impl Contents {
    fn definition(&self) -> Definition {
        let Place { logger, file, module, function, line, level } = self.place.clone();
        let field = |(name, ty): &(String, Type)| Field { name: name.clone().into(), ty: *ty };
        Definition {
            file: file.into(),
            line,
            module: module.into(),
            function: function.into(),
            text: self.text.clone().into(),
            template: true,
            fields: self.fields.iter().map(field).collect::<Vec<_>>().into(),
            logger: logger.into(),
            ..Definition::new(Level::from_number(level), "")
        }
    }
}

/// What is the same at each call of one statement: addresses of objects, and numbers.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Identity {
    pub objects: [usize; 3],
    /// The line, or the number of the instruction that calls.
    pub line: u32,
    pub level: u8,
    /// The types of the arguments that are put off.
    pub arguments: u32,
    pub shape: Shape,
    /// Addresses of the names of further fields, and their types.
    pub extra: Vec<(usize, Type)>,
}

/// A site, with the objects whose addresses found it.
struct Found {
    site: Arc<Site>,
    #[expect(dead_code, reason = "keeps the objects, and with them their addresses")]
    objects: Vec<Py<PyAny>>,
}

type ByIdentity = HashMap<Identity, Found, BuildHasherDefault<Mix>>;

/// Mixes words by a rotation and a multiplication, as the compiler's own tables do. The keys are addresses, which
/// nobody chooses; the library's hasher takes ten times as long.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        // The table takes the upper and the lower bits.
        self.0 ^ self.0 >> 32
    }
}

/// The sites of a process.
#[derive(Default)]
pub(crate) struct Sites {
    by_identity: Mutex<ByIdentity>,
    by_contents: Mutex<HashMap<Contents, Arc<Site>>>,
}

impl Sites {
    /// The site that the objects at these addresses have found before.
    pub fn known(&self, identity: &Identity) -> Option<Arc<Site>> {
        let by_identity = self.by_identity.lock().unwrap_or_else(PoisonError::into_inner);
        by_identity.get(identity).map(|found| found.site.clone())
    }

    /// The site of these contents, which these objects will find from now on.
    pub fn learn(&self, identity: Identity, objects: Vec<Py<PyAny>>, contents: Contents) -> Arc<Site> {
        let mut by_contents = self.by_contents.lock().unwrap_or_else(PoisonError::into_inner);
        let site = match by_contents.get(&contents) {
            Some(site) => site.clone(),
            None if by_contents.len() >= SITES_MAX => {
                return Arc::new(Site::unnumbered(contents.definition()));
            }
            None => {
                let site = Arc::new(Site::new(contents.definition()));
                by_contents.insert(contents, site.clone());
                site
            }
        };
        drop(by_contents);
        let mut by_identity = self.by_identity.lock().unwrap_or_else(PoisonError::into_inner);
        let full = by_identity.len() >= BY_IDENTITY_MAX;
        let emptied = if full { std::mem::take(&mut *by_identity) } else { ByIdentity::default() };
        let replaced = by_identity.insert(identity, Found { site: site.clone(), objects });
        drop(by_identity);
        // Objects are let go of without a lock: the end of one can run Python code.
        drop((emptied, replaced));
        site
    }
}
