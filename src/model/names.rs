//! Interned names: PoPs and exporters become small numbers in the replay loop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The number of an interned name. Numbers depend on the order of arrival, so they never decide
/// an order that shows; compare the names for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub u32);

/// A table of names that readers on several threads share.
#[derive(Debug, Default)]
pub struct Names {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Arc<str>, NameId>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// Makes an empty table.
    pub fn new() -> Names {
        Names::default()
    }

    /// Returns the number of a name, new or old.
    pub fn intern(&self, name: &str) -> NameId {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = inner.ids.get(name) {
            return *id;
        }
        let id = NameId(u32::try_from(inner.names.len()).unwrap_or(u32::MAX));
        let name: Arc<str> = name.into();
        inner.names.push(Arc::clone(&name));
        inner.ids.insert(name, id);
        id
    }

    /// Returns the name of a number that this table gave out.
    pub fn name(&self, id: NameId) -> Arc<str> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&inner.names[id.0 as usize])
    }
}
