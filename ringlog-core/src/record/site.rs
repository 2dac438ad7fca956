//! Sites: the places in a program that records come from.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::record::definition::Definition;

/// A place in a program that records come from: a definition, and its number in this process.
///
/// Usually a static made by the derive or a macro. A site made at run time has to live as long as it is used. Each site
/// takes one of the 65,535 numbers of a process for good; the records of further sites bring their definition along.
#[derive(Debug)]
pub struct Site {
    definition: Definition,
    /// `fingerprint:48 | number:16`, a word for each list of types that the site has been used with; 0 if unused. More
    /// than one only for a log statement in a generic function.
    variants: [AtomicU64; VARIANTS_MAX],
}

/// The number of sites that a process can register in each ring, plus one.
pub(crate) const SITES_MAX: u32 = 1 << 16;

/// The number of lists of types that one log statement can be used with. Records with others bring their definition.
const VARIANTS_MAX: usize = 4;

/// The word of a site that takes no number. It is of no fingerprint: those of statements are never all ones.
const UNNUMBERED: u64 = u64::MAX;

impl Site {
    /// A site with this definition.
    pub const fn new(definition: Definition) -> Site {
        Site { definition, variants: [const { AtomicU64::new(0) }; VARIANTS_MAX] }
    }

    /// A site that takes no number: each of its records brings its definition along. For a program that makes sites
    /// of names without a bound.
    pub const fn unnumbered(definition: Definition) -> Site {
        Site { definition, variants: [const { AtomicU64::new(UNNUMBERED) }; VARIANTS_MAX] }
    }

    /// Whether the site takes no number.
    pub(crate) fn is_unnumbered(&self) -> bool {
        self.variants[0].load(Ordering::Relaxed) == UNNUMBERED
    }

    /// The definition of the records from here.
    #[inline]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The number of the site with these types in this process, less than [`SITES_MAX`]; 0 if it has none.
    pub(crate) fn number(&self, fingerprint: u64) -> u32 {
        // Relaxed: the number guards no other memory; the table it leads to is read with acquire.
        let mut words = self.variants.iter().map(|word| word.load(Ordering::Relaxed));
        words.find(|word| word >> 16 == fingerprint).map_or(0, |word| word as u32 & 0xffff)
    }

    /// The number for the first types that the site was used with; `None` for other types.
    #[inline(always)]
    pub(crate) fn first_number(&self, fingerprint: u64) -> Option<u32> {
        // If the fingerprints are equal, the number is all that remains. Relaxed: as above.
        let number = self.variants[0].load(Ordering::Relaxed) ^ fingerprint << 16;
        (number < SITES_MAX.into()).then_some(number as u32)
    }

    /// Gives the site its number on first use; 0 if no number is left, or no place for more types.
    pub(crate) fn assign_number(&self, fingerprint: u64) -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if self.number(fingerprint) != 0 || self.variants.iter().all(|word| word.load(Ordering::Relaxed) != 0)
        {
            return self.number(fingerprint);
        }
        let next =
            NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < SITES_MAX).then_some(n + 1));
        let Ok(next) = next else { return 0 };
        for variant in &self.variants {
            let word = fingerprint << 16 | u64::from(next);
            let was = variant.compare_exchange(0, word, Ordering::Relaxed, Ordering::Relaxed);
            // If another thread was first, its number counts and this one is wasted.
            if was.is_ok() || was.is_err_and(|was| was >> 16 == fingerprint) {
                break;
            }
        }
        self.number(fingerprint)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::level::Level;

    #[test]
    fn a_site_keeps_its_number() {
        let site = Site::new(Definition::new(Level::WARN, "db.pool"));
        assert_eq!(site.number(0), 0);
        let number = site.assign_number(0);
        assert!(number > 0 && number == site.assign_number(0) && number == site.number(0));
    }

    #[test]
    fn a_site_has_a_number_for_each_list_of_types() {
        let site = Site::new(Definition::new(Level::WARN, "db.pool"));
        let numbers: Vec<u32> = (1..=4).map(|fingerprint| site.assign_number(fingerprint)).collect();
        assert!(numbers.iter().all(|number| *number > 0));
        for (fingerprint, number) in (1..=4).zip(&numbers) {
            assert_eq!(site.number(fingerprint), *number);
            assert_eq!(numbers.iter().filter(|other| *other == number).count(), 1);
        }
        assert_eq!((site.assign_number(5), site.number(5)), (0, 0), "there is no place for more");
    }
}
