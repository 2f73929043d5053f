//! The keys of each level, and where a key at the wrong level belongs.

/// Keys of a file.
pub(super) const FILE: &[&str] = &["version", "sets", "rules", "default", "default_intent"];

/// Keys of a rule.
pub(super) const RULE: &[&str] =
    &["id", "description", "owner", "ticket", "expires", "match", "action", "intent"];

/// Fields of a match, in the order in which a match lists its terms.
pub(super) const MATCH: &[&str] = &[
    "src",
    "dst",
    "protocol",
    "src_port",
    "dst_port",
    "port",
    "tcp_flags",
    "icmp_type",
    "icmp_code",
    "packet_length",
    "dscp",
    "ttl",
    "fragment",
    "pop",
    "direction",
    "not",
    "any_of",
];

/// Fields of a match that packets do not carry. They are known words, but a rule that asks for
/// one cannot be judged yet.
pub(super) const UNJUDGED: &[&str] = &[
    "host",
    "path",
    "method",
    "user_agent",
    "status",
    "cookie_length",
    "country",
    "asn",
    "cache_status",
];

/// Actions that are a map.
pub(super) const ACTION: &[&str] = &["rate_limit", "redirect", "mark"];

/// Keys of a rate limit.
pub(super) const RATE_LIMIT: &[&str] =
    &["rate", "burst", "per", "scope", "exceed", "algorithm", "window", "timeout"];

/// Keys of an intent.
pub(super) const INTENT: &[&str] = &[
    "summary",
    "target",
    "may_affect",
    "may_reach",
    "max_collateral",
    "max_target_loss",
    "must_stop",
    "attack_match",
];

/// Returns where a key belongs that is not known where it was written.
pub(super) fn belongs(key: &str) -> Option<String> {
    let levels: [(&[&str], &str); 7] = [
        (MATCH, "in the rule's `match:`"),
        (UNJUDGED, "in the rule's `match:`"),
        (ACTION, "in the rule's `action:`"),
        (RATE_LIMIT, "in the rule's `action: {rate_limit: {…}}`"),
        (INTENT, "in the rule's `intent:`"),
        (RULE, "in a rule, beside its `id`"),
        (FILE, "at the top of the file"),
    ];
    let (_, place) = levels.iter().find(|(keys, _)| keys.contains(&key))?;
    Some(format!("`{key}` belongs {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_belongs_somewhere() {
        for key in [FILE, RULE, MATCH, UNJUDGED, ACTION, RATE_LIMIT, INTENT].concat() {
            assert!(belongs(key).is_some(), "{key}");
        }
        assert_eq!(belongs("colour"), None);
    }
}
