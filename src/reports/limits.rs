//! A limit in words, as every form for people says it: who shares its fullest bucket, and which
//! rates would do.

use crate::model::units::{grouped, percent};
use crate::result::{Limit, Safe, Sharer};

/// Describes a limit, naming so many of those who share its fullest bucket.
pub(super) fn limit_words(limit: &Limit, most: usize) -> String {
    let fullest = &limit.fullest;
    let place = match (&fullest.instance, fullest.key.as_str()) {
        (None, "") => String::new(),
        (None, key) => format!(" ({key})"),
        (Some(instance), "") => format!(" ({instance})"),
        (Some(instance), key) => format!(" ({instance}, {key})"),
    };
    let buckets = match limit.buckets {
        1 => "its one bucket".to_owned(),
        several => format!("the fullest of {} buckets", grouped(several as u64)),
    };
    let sharer = |one: &Sharer| match (one.legitimate_share > 0.0, one.attack_share > 0.0) {
        (false, true) => format!("attack on {} {}", one.id, percent(one.attack_share)),
        (true, true) => format!(
            "attack on {} {} and its own {}",
            one.id,
            percent(one.attack_share),
            percent(one.legitimate_share)
        ),
        _ => format!("{} {}", one.id, percent(one.legitimate_share)),
    };
    let mut who: Vec<String> = fullest.sharers.iter().take(most).map(sharer).collect();
    if fullest.sharers.len() > most {
        who.push(format!("{} more", fullest.sharers.len() - most));
    }
    let mut text = format!(
        "limit {} of {}: as recorded, {buckets}{place} saw {}: {}",
        limit.rule,
        limit.rate,
        fullest.peak,
        who.join(", ")
    );
    if let Some(safe) = &limit.safe {
        text.push_str("; ");
        text.push_str(&safe_words(safe));
    }
    text
}

pub(super) fn safe_words(safe: &Safe) -> String {
    let harmless = match (&safe.lowest_tried, &safe.harmful_above) {
        (Some(_), None) if safe.always_harmless => "nobody else loses at any rate".to_owned(),
        (Some(rate), None) => format!("nobody else loses from {rate} on"),
        (Some(rate), Some(not)) => {
            format!(
                "nobody else loses at {rate}, which is not so at every rate above: not at {not}"
            )
        }
        (None, _) if safe.always_harms => "others lose at every rate".to_owned(),
        (None, _) => "others may lose at every rate".to_owned(),
    };
    let job = match (&safe.highest_effective, &safe.idle_below) {
        (Some(rate), None) => format!(", stops enough up to {rate}"),
        (Some(rate), Some(not)) => {
            format!(", stops enough at {rate}, which is not so at every rate below: not at {not}")
        }
        (None, _) if safe.must_stop => ", stops enough at no rate".to_owned(),
        (None, _) => String::new(),
    };
    let end = match (&safe.both, &safe.per_destination, safe.must_stop) {
        (Some(both), ..) if safe.lowest_tried.as_ref() == Some(both) => String::new(),
        (Some(both), ..) => format!(": {both} does both"),
        (None, Some(rate), true) => {
            format!(": no rate does both; with `per: [dst]` {rate} does")
        }
        (None, None, true) => ": no rate does both, nor with `per: [dst]`".to_owned(),
        (None, Some(rate), false) => format!("; with `per: [dst]` nobody else loses at {rate}"),
        (None, None, false) => String::new(),
    };
    format!("{harmless}{job}{end}")
}
