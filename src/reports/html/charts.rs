//! Pictures as inline SVG: every one has a name that is read aloud, and colours that need no style.

use maud::{Markup, html};

use super::name;
use crate::model::units::percent;
use crate::report::BlockState;
use crate::reports::throughput;
use crate::result::{Block, Limit, RunResult, Series, Space, Throughput};

const INK: &str = "#1a1c20";
const SOFT: &str = "#8b919b";
const LINE: &str = "#d9dce1";
const LEGITIMATE: &str = "#1f6fb2";
const ATTACK: &str = "#e08a1e";
const BAD: &str = "#b3261e";
const GOOD: &str = "#1b6e3c";

/// Draws a share as a bar; the number stands beside it.
pub(super) fn share(share: f64, is_meant: bool) -> Markup {
    let width = (share.clamp(0.0, 1.0) * 80.0).round();
    let color = if is_meant { GOOD } else { BAD };
    html! {
        svg width="80" height="10" viewBox="0 0 80 10" aria-hidden="true" {
            rect width="80" height="10" fill=(LINE) {}
            rect width=(width) height="10" fill=(color) {}
        }
    }
}

//------------ Traffic over time -------------------------------------------------

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 120.0;
/// Where the plot begins, and how much is left below it.
const LEFT: f64 = 4.0;
const TOP: f64 = 16.0;

pub(super) fn timeline(result: &RunResult) -> Markup {
    let timeline = &result.timeline;
    let Some(start) = timeline.starts.first() else { return html! {} };
    let has_running = result.change.running.is_some();
    let bins = timeline.series.iter().map(bins).max().unwrap_or(0);
    let bin = match timeline.bin_seconds {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    };
    let mark = |color: &str, kind: &str| {
        html! {
            svg width="22" height="12" viewBox="0 0 22 12" aria-hidden="true" {
                @match kind {
                    "bar" => rect y="2" width="22" height="9" fill=(color) {},
                    "pale" => rect y="2" width="22" height="9" fill=(color) fill-opacity="0.25" {},
                    _ => line x1="0" y1="6" x2="22" y2="6" stroke=(color) stroke-width="2" stroke-dasharray="4 3" {},
                }
            }
        }
    };
    html! {
        h2 { "Traffic " @if has_running { "before and after the change" } @else { "without and with these rules" } }
        p.soft { @if bins == 1 { "Means of one window of " (bin) } @else { (bins) " bins of " (bin) } " from " (name(start)) " on; in is to customers, out is from them. Pale is what was offered and does not pass." }
        p.key {
            span { (mark(LEGITIMATE, "bar")) "legitimate that passes after" }
            span { (mark(LEGITIMATE, "pale")) "legitimate offered" }
            span { (mark(ATTACK, "bar")) "attack that passes after" }
            span { (mark(ATTACK, "pale")) "attack offered" }
            @if has_running { span { (mark(INK, "dash")) "passed before" } }
        }
        div.charts { @for one in &timeline.series { (course(one, has_running)) } }
    }
}

fn bins(series: &Series) -> usize {
    series.legitimate.offered.len().max(series.attack.offered.len())
}

/// Sums up a series over time, for words.
fn mean(all: &[u64]) -> String {
    let sum: u128 = all.iter().map(|rate| u128::from(*rate)).sum();
    let bps = sum as f64 / all.len().max(1) as f64;
    throughput(Throughput { pps: 0.0, bps })
}

/// Draws legitimate traffic above the axis and attack below it, each on its own scale: what is
/// small beside a flood must still be seen to vanish.
fn course(series: &Series, has_running: bool) -> Markup {
    let way = if series.outgoing { "out" } else { "in" };
    let Series { legitimate, attack, .. } = series;
    let words = |what: &str, all: &crate::result::Throughputs| match all.offered.is_empty() {
        true => format!("no {what}"),
        false => {
            let before = if has_running {
                format!(", {} before", mean(all.before()))
            } else {
                String::new()
            };
            format!("{what} {} offered{before}, {} after", mean(&all.offered), mean(all.after()))
        }
    };
    let label = format!(
        "{} {way}: {}; {}",
        name(&series.pop),
        words("legitimate", legitimate),
        words("attack", attack)
    );
    let parts: Vec<(&str, &crate::result::Throughputs, &str)> =
        [("legitimate", legitimate, LEGITIMATE), ("attack", attack, ATTACK)]
            .into_iter()
            .filter(|(_, all, _)| !all.offered.is_empty())
            .collect();
    let height = TOP + parts.len() as f64 * (HEIGHT + TOP);
    html! {
        figure {
            figcaption { (name(&series.pop)) " " (way) }
            svg width=(WIDTH) height=(height) viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(label) {
                title { (label) }
                @for (at, (what, all, color)) in parts.into_iter().enumerate() {
                    (plot(what, all, color, has_running, TOP + at as f64 * (HEIGHT + TOP)))
                }
            }
        }
    }
}

fn plot(
    what: &str,
    all: &crate::result::Throughputs,
    color: &str,
    has_running: bool,
    top: f64,
) -> Markup {
    let most = all.offered.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = (WIDTH - LEFT) / all.offered.len().max(1) as f64;
    let tall = |rate: u64| (rate as f64 / most * (HEIGHT - 18.0)).max(0.0);
    let bottom = top + HEIGHT - 12.0;
    let bar = |at: usize, rate: u64| {
        let (x, height) = (LEFT + at as f64 * step, tall(rate));
        let width = if step > 3.0 { step - 1.0 } else { step };
        (fixed(x), fixed(bottom - height), fixed(width), fixed(height))
    };
    let lost = all.offered.iter().zip(all.after()).map(|(a, b)| a.saturating_sub(*b)).sum::<u64>();
    let sum: u64 = all.offered.iter().fold(0, |sum, rate| sum.saturating_add(*rate));
    let share = if sum == 0 { 0.0 } else { lost as f64 / sum as f64 };
    let word = if what == "attack" { "stopped" } else { "lost" };
    let change = if lost > 0 {
        format!(" → {} ({} {word})", mean(all.after()), percent(share))
    } else {
        ", all of it passes".to_owned()
    };
    let caption = format!("{what}: {}{change}", mean(&all.offered));
    let strong = what == "legitimate" && lost > 0;
    let mut steps = String::new();
    for (at, rate) in all.before().iter().enumerate() {
        let (x, y) = (LEFT + at as f64 * step, fixed(bottom - tall(*rate)));
        let move_to = if at == 0 { "M" } else { "L" };
        steps.push_str(&format!("{move_to}{} {y}H{}", fixed(x), fixed(x + step)));
    }
    html! {
        text x=(LEFT) y=(fixed(top - 2.0)) font-size="12" font-family="sans-serif"
            font-weight=(if strong { "700" } else { "400" }) fill=(if strong { BAD } else { INK }) { (caption) }
        line x1=(LEFT) y1=(fixed(bottom)) x2=(WIDTH) y2=(fixed(bottom)) stroke=(SOFT) stroke-width="1" {}
        @for (at, (offered, after)) in all.offered.iter().zip(all.after()).enumerate() {
            @if offered > after {
                @let (x, y, width, height) = bar(at, *offered);
                rect x=(x) y=(y) width=(width) height=(height) fill=(color) fill-opacity="0.25" {}
            }
            @if *after > 0 {
                @let (x, y, width, height) = bar(at, *after);
                rect x=(x) y=(y) width=(width) height=(height) fill=(color) {}
            }
        }
        @if has_running {
            path d=(steps) fill="none" stroke=(INK) stroke-width="2" stroke-dasharray="4 3" {}
        }
    }
}

/// Writes a coordinate to a tenth.
fn fixed(value: f64) -> String {
    format!("{value:.1}")
}

//------------ Who shares a bucket -----------------------------------------------

const SHARES: [&str; 8] =
    ["#1f6fb2", "#b3261e", "#1b6e3c", "#7b3fa0", "#8a5a00", "#0f7c80", "#a03f70", "#5b616b"];

/// Draws who is in the fullest bucket of a limit: attack pale, the rest by owner.
pub(super) fn sharers(limit: &Limit) -> Markup {
    let mut parts: Vec<(String, f64, &str)> = Vec::new();
    for (at, one) in limit.fullest.sharers.iter().enumerate().take(SHARES.len()) {
        if one.attack_share > 0.0 {
            parts.push((format!("attack on {}", name(&one.id)), one.attack_share, ATTACK));
        }
        if one.legitimate_share > 0.0 {
            parts.push((name(&one.id), one.legitimate_share, SHARES[at]));
        }
    }
    let words: Vec<String> =
        parts.iter().map(|(id, part, _)| format!("{id} {}", percent(*part))).collect();
    let label = format!("who is in the fullest bucket: {}", words.join(", "));
    let mut x = 0.0;
    let placed: Vec<(f64, f64, &str, &String)> = parts
        .iter()
        .zip(&words)
        .map(|((_, part, color), word)| {
            let width = part.clamp(0.0, 1.0) * 640.0;
            let start = x;
            x += width;
            (start, width, *color, word)
        })
        .collect();
    html! { @if !parts.is_empty() {
        svg width="640" height="26" viewBox="0 0 640 26" role="img" aria-label=(label) {
            title { (label) }
            rect width="640" height="26" fill=(LINE) {}
            @for (start, width, color, word) in &placed {
                rect x=(fixed(*start)) width=(fixed(*width)) height="26" fill=(color) stroke="#fff" stroke-width="1" { title { (word) } }
            }
        }
        p.key { @for (_, _, color, word) in placed.iter().take(10) {
            span { svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" { rect width="12" height="12" fill=(color) {} } (word) }
        } }
    } }
}

//------------ The address space -------------------------------------------------

const CELL: f64 = 26.0;
const COLUMNS: usize = 24;

fn color(state: BlockState) -> (&'static str, &'static str) {
    match state {
        BlockState::Affected => (BAD, "loses, not meant"),
        BlockState::Meant => (GOOD, "loses, as meant"),
        BlockState::Touched => ("#e08a1e", "newly meets a harming rule"),
        BlockState::Reached => ("#f2cf7a", "could be harmed"),
        BlockState::Safe => ("#e4e7eb", "cannot be harmed by the change"),
    }
}

/// Draws the prefixes of the inventory in the order of their addresses, a cell each.
pub(super) fn space(space: &Space) -> Markup {
    let states = [
        BlockState::Affected,
        BlockState::Touched,
        BlockState::Reached,
        BlockState::Meant,
        BlockState::Safe,
    ];
    let number =
        |state: BlockState| space.blocks.iter().filter(|block| block.state == state).count();
    let rows = space.blocks.len().div_ceil(COLUMNS);
    let columns = space.blocks.len().min(COLUMNS);
    let (width, height) = (columns as f64 * CELL, rows as f64 * CELL);
    let words: Vec<String> = states
        .into_iter()
        .filter(|state| number(*state) > 0)
        .map(|state| format!("{}: {}", color(state).1, number(state)))
        .collect();
    let label =
        format!("prefixes of the inventory in the order of addresses; {}", words.join(", "));
    let owners = |block: &Block| {
        let more = if block.more_owners > 0 {
            format!(" and {} more", block.more_owners)
        } else {
            String::new()
        };
        let kind = if block.protected { ", protected" } else { "" };
        format!(
            "{} {}{more}{kind}: {}",
            name(&block.prefix),
            name(&block.owners.join(", ")),
            color(block.state).1
        )
    };
    html! { @if !space.blocks.is_empty() {
        p.soft { "The address space of the inventory: a cell for each prefix, in the order of addresses, by what becomes of its owner. Protected ones have a border."
            @if space.more > 0 { " " (space.more) " more are not drawn; those of the worst off are." } }
        p.key { @for state in states { @if number(state) > 0 {
            span { svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" { rect width="12" height="12" fill=(color(state).0) {} } (color(state).1) ": " (number(state)) }
        } } }
        svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(label) {
            title { (label) }
            @for (at, block) in space.blocks.iter().enumerate() {
                rect x=(fixed((at % COLUMNS) as f64 * CELL + 2.0)) y=(fixed((at / COLUMNS) as f64 * CELL + 2.0))
                    width=(fixed(CELL - 4.0)) height=(fixed(CELL - 4.0)) fill=(color(block.state).0)
                    stroke=(if block.protected { INK } else { SOFT }) stroke-width=(if block.protected { "3" } else { "0.5" }) {
                    title { (owners(block)) }
                }
            }
        }
    } }
}
