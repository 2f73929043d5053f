//! What a packet looks like where a chain meets it: the same field has not the same value at every
//! hook.

use std::collections::BTreeSet;

/// A hook, in the order in which packets meet them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
    Postrouting,
    Egress,
}

impl Hook {
    /// Reads the word of a hook that packets from outside pass.
    pub(super) fn named(word: &str) -> Option<Hook> {
        Some(match word {
            "ingress" => Hook::Ingress,
            "prerouting" => Hook::Prerouting,
            "input" => Hook::Input,
            "forward" => Hook::Forward,
            "postrouting" => Hook::Postrouting,
            "egress" => Hook::Egress,
            _ => return None,
        })
    }
}

/// Where a chain meets packets, and what was done to them before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) hook: Hook,
    /// Whether connection tracking has seen the packet.
    pub(super) tracked: bool,
    /// Whether fragments have been put together: those of IPv4, and those of both families.
    pub(super) reassembled: Reassembled,
    /// Whether destinations may have been translated, and sources.
    pub(super) translated: [bool; 2],
    /// Fields that rules before this may have written.
    pub(super) rewritten: BTreeSet<String>,
}

/// Which fragments have been put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reassembled {
    None,
    V4,
    Both,
}

impl View {
    /// Returns whether the TTL has been counted down.
    pub(super) fn is_forwarded(&self) -> bool {
        matches!(self.hook, Hook::Forward | Hook::Postrouting | Hook::Egress)
    }

    /// Returns whether an interface to leave by is known.
    pub(super) fn has_oif(&self) -> bool {
        self.is_forwarded()
    }
}
