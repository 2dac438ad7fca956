//! Level rules from outside that enable what `setLevel` refuses: whether there are any, in a few loads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::shared::Shared;

/// The rings whose rules are followed, as long as they have handlers.
static FOLLOWED: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
/// The sum of their epochs when their rules were last read, and whether there were any.
static SEEN: AtomicU64 = AtomicU64::new(0);
static ARE_THERE: AtomicBool = AtomicBool::new(false);

/// Follows the rules of a ring from now on.
pub(crate) fn follow(shared: &Arc<Shared>) {
    // In a forked child another thread of the parent may hold it for ever.
    let Ok(mut followed) = FOLLOWED.try_lock() else { return };
    followed.retain(|known| known.strong_count() > 0 && known.as_ptr() != Arc::as_ptr(shared));
    followed.push(Arc::downgrade(shared));
    SEEN.store(u64::MAX, Ordering::Relaxed);
}

/// Whether a ring that is followed has rules.
pub(crate) fn are_there() -> bool {
    if let Ok(followed) = FOLLOWED.try_lock() {
        let rings = || followed.iter().filter_map(Weak::upgrade);
        let epoch = rings().fold(0_u64, |sum, shared| sum.wrapping_add(shared.logger().levels_epoch()));
        if SEEN.load(Ordering::Relaxed) != epoch {
            ARE_THERE.store(rings().any(|shared| shared.logger().has_rules()), Ordering::Relaxed);
            SEEN.store(epoch, Ordering::Relaxed);
        }
    }
    ARE_THERE.load(Ordering::Relaxed)
}
