//! What the materials are: for people, at most a screen, and as JSON.

use std::collections::BTreeMap;
use std::io;

use super::trace::wrap;
use super::{Style, clean, json_text};
use crate::model::units::{age_in_words, grouped, percent};
use crate::report::Verdict;
use crate::result::doctor::{Covered, Doctor, Source, Traffic};

/// How many things of a kind are shown, unless everything is wanted.
const FEW: usize = 4;
/// How many recordings are shown, unless all are wanted.
const FEW_RECORDINGS: usize = 3;

/// Writes it as JSON.
pub fn json(doctor: &Doctor, out: &mut dyn io::Write) -> io::Result<()> {
    json_text(doctor, out)
}

/// Writes it for people.
pub fn text(doctor: &Doctor, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut screen = Vec::new();
    if !style.quiet {
        rules(doctor, &mut screen);
        inventory(doctor, style, &mut screen);
        let shown = if style.verbose { usize::MAX } else { FEW_RECORDINGS };
        for one in doctor.traffic.iter().take(shown) {
            traffic(one, style, &mut screen);
        }
        match doctor.traffic.len().saturating_sub(shown) {
            0 => {}
            more => screen.push(format!("  and {more} more recordings (-v shows all)")),
        }
        undecidable(doctor, style, &mut screen);
        unowned(doctor, style, &mut screen);
        settings(doctor, style, &mut screen);
    }
    let word = match doctor.verdict {
        Verdict::Pass => "",
        _ => "CANNOT JUDGE: ",
    };
    screen.push(format!("doctor: {word}{}", doctor.summary));
    for line in screen {
        wrap(&clean(&line, style), "  ", out)?;
    }
    Ok(())
}

fn count(number: usize, noun: &str) -> String {
    let number = grouped(number as u64);
    format!("{number} {noun}{}", if number == "1" { "" } else { "s" })
}

/// Writes a list, the first few of it unless all of it is wanted.
fn few(all: Vec<String>, style: Style) -> String {
    let shown = if style.verbose { all.len() } else { all.len().min(FEW) };
    let list = all[..shown].join(", ");
    match all.len() - shown {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

fn rules(doctor: &Doctor, screen: &mut Vec<String>) {
    let rules = &doctor.rules;
    let language = rules.language.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let files = count(rules.files, "file");
    let against = match &rules.running {
        Some(running) => format!("against {} in {running}", count(rules.running_rules, "rule")),
        None => "every rule judged as new".to_owned(),
    };
    screen.push(format!(
        "rules: {} in {files} of {}{language}, {against}",
        count(rules.rules, "rule"),
        rules.candidate
    ));
}

fn inventory(doctor: &Doctor, style: Style, screen: &mut Vec<String>) {
    let inventory = &doctor.inventory;
    let file = |one: &Source| format!("{} ({})", one.path, one.form);
    let files = few(inventory.files.iter().map(file).collect(), style);
    let vrf = inventory.vrf.as_ref().map(|vrf| format!(" in VRF {vrf}")).unwrap_or_default();
    let pops = inventory.pops.map(|pops| format!(", {}", count(pops, "PoP"))).unwrap_or_default();
    screen.push(format!(
        "inventory: {files}: {} with {}{vrf}, {} shared, {} of infrastructure{pops}",
        count(inventory.customers, "customer"),
        match inventory.prefixes {
            1 => "1 prefix".to_owned(),
            many => format!("{} prefixes", grouped(many as u64)),
        },
        grouped(inventory.shared as u64),
        grouped(inventory.infrastructure as u64),
    ));
}

fn traffic(one: &Traffic, style: Style, screen: &mut Vec<String>) {
    let form = one.form.as_deref().unwrap_or("unknown form");
    let packed = one.compression.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    let size = one.size_bytes.map(|size| format!(", {}", bytes(size))).unwrap_or_default();
    let added = one.scenario.as_ref().map(|name| format!(" for scenario {name}"));
    let sampling = match one.sampling {
        None => String::new(),
        Some([1, 1]) => ", not sampled".to_owned(),
        Some([least, most]) if least == most => format!(", 1 in {}", grouped(least.into())),
        Some([least, most]) => {
            format!(", 1 in {} to 1 in {}", grouped(least.into()), grouped(most.into()))
        }
    };
    let packets = match one.packets_estimated == one.packets_recorded {
        true => format!("{} packets", grouped(one.packets_recorded)),
        false => format!(
            "{} packets that stand for {}",
            grouped(one.packets_recorded),
            grouped(one.packets_estimated)
        ),
    };
    screen.push(format!(
        "traffic: {}{} ({form}{packed}{size}): {} records, {packets}{sampling}",
        one.path,
        added.unwrap_or_default(),
        grouped(one.records)
    ));
    if one.records == 0 && one.unread.is_empty() {
        return;
    }
    let age = match (&one.newest, one.age_seconds) {
        (Some(newest), Some(age)) if age >= 0 => {
            format!("newest {newest}, {} old", age_in_words(age))
        }
        (Some(newest), _) => format!("newest {newest}"),
        (None, _) => "no age".to_owned(),
    };
    let why = one.unread.iter().max_by_key(|(_, count)| **count);
    let why = why.map(|(why, _)| format!(" ({why})")).unwrap_or_default();
    let not_ip: u64 = one.other.values().sum();
    let other = if not_ip == 0 { String::new() } else { format!(", {} not IP", grouped(not_ip)) };
    screen.push(format!(
        "  {age}; {} unread{why}{other}; {} attributed; {} undecidable; {} the rules",
        percent(one.unread_share),
        percent(one.attributed_share),
        percent(one.undecidable_share),
        one.observed
    ));
    let covered = |all: &BTreeMap<String, Covered>| {
        few(
            all.iter().map(|(name, one)| format!("{name} {}", grouped(one.records))).collect(),
            style,
        )
    };
    let hours = match one.hours.is_empty() {
        true => String::new(),
        false => format!("; by hour: {}", covered(&one.hours)),
    };
    screen.push(format!("  records by PoP: {}{hours}", covered(&one.pops)));
    if style.verbose {
        let known = |(name, text): (&String, &String)| format!("{name}: {text}");
        let known: Vec<String> = one.knows.iter().map(known).collect();
        screen.push(format!("  a {form} can know: {}", known.join("; ")));
    }
}

fn undecidable(doctor: &Doctor, style: Style, screen: &mut Vec<String>) {
    if doctor.undecidable.is_empty() {
        screen.push("undecidable: nothing that the rules ask for is missing".to_owned());
        return;
    }
    let shown = if style.verbose { usize::MAX } else { FEW };
    for one in doctor.undecidable.iter().take(shown) {
        screen.push(format!(
            "undecidable: {} ({}:{}) for {} of the packets: {} of {}",
            one.rule,
            one.file,
            one.line,
            percent(one.share),
            one.fields.join(", "),
            few(one.recordings.clone(), style)
        ));
    }
    match doctor.undecidable.len().saturating_sub(shown) {
        0 => {}
        more => screen.push(format!("  and {more} more rules (-v shows all)")),
    }
}

fn unowned(doctor: &Doctor, style: Style, screen: &mut Vec<String>) {
    if doctor.unowned.is_empty() {
        return;
    }
    let networks = doctor.unowned.iter();
    let networks = networks.map(|one| format!("{} {}", one.prefix, percent(one.share))).collect();
    let more = match doctor.unowned_not_told_apart {
        0 => String::new(),
        more => format!("; {} packets of too many networks to tell apart", grouped(more)),
    };
    screen.push(format!("nobody's, most packets first: {}{more}", few(networks, style)));
}

fn settings(doctor: &Doctor, style: Style, screen: &mut Vec<String>) {
    let is_shown = |from: &str| style.verbose || from != "default";
    let shown = doctor.settings.iter().filter(|one| is_shown(&one.from));
    let shown: Vec<String> =
        shown.map(|one| format!("{} {} ({})", one.name, one.value, one.from)).collect();
    if !shown.is_empty() {
        screen.push(format!("set: {}", shown.join("; ")));
    }
}

/// Writes a size as people do.
fn bytes(size: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut size, mut unit) = (size as f64, 0);
    while size >= 1_000.0 && unit + 1 < units.len() {
        size /= 1_000.0;
        unit += 1;
    }
    let text = if unit == 0 || size >= 100.0 { format!("{size:.0}") } else { format!("{size:.1}") };
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), units[unit])
}
