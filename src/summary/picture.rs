//! What a picture shows that no list does: traffic over time, and the address space. Bounded, so
//! that a saved result stays small whatever was recorded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::guardrails::Evidence;
use crate::impact::{Course, Load, Way};
use crate::model::{AddressRange, Prefix, Spanned, Timestamp};
use crate::report::{Block, BlockState, CustomerImpact, Picture, Series, Throughputs, Timeline};

/// How many bins a series has at most, and how many PoPs have one of their own.
const BINS: usize = 120;
const POPS: usize = 8;
/// How many prefixes are shown, and how many owners of one.
const BLOCKS: usize = 400;
const OWNERS: usize = 10;

/// Draws the recording as it is, and the address space by what becomes of its owners.
pub fn picture(evidence: &Evidence<'_>, window_ns: i64, rows: &[CustomerImpact]) -> Picture {
    let (blocks, more_blocks) = blocks(evidence, rows);
    Picture { timeline: timeline(evidence, window_ns), blocks, more_blocks }
}

/// How much a PoP is offered, and its bins: in, and out.
type Sums = (u128, [Vec<Load>; 2]);

//------------ Traffic over time -----------------------------------------------

fn timeline(evidence: &Evidence<'_>, window_ns: i64) -> Timeline {
    let courses = &evidence.impact.courses;
    let seen: BTreeSet<i64> =
        courses.iter().flat_map(|course| &course.windows).map(|(number, _)| *number).collect();
    let windows: Vec<i64> = seen.into_iter().collect();
    // Windows in which nothing was recorded take no room: recordings may lie months apart.
    let each = windows.len().div_ceil(BINS).max(1);
    let bins = windows.len().div_ceil(each);
    let bin = |window: i64| windows.binary_search(&window).map_or(0, |at| at / each);
    // What is covered of each bin; at least a second, so that one packet is no rate.
    let mut lasted = vec![0.0f64; bins];
    for window in &windows {
        let covered = evidence.windows.get(window);
        let covered = covered.map_or(0, |(start, end)| end.abs_diff(*start));
        lasted[bin(*window)] += covered as f64 / 1e9;
    }
    let mut by_name: BTreeMap<String, Sums> = BTreeMap::new();
    for Course { pop, way, windows } in courses {
        let (size, ways) = by_name
            .entry(evidence.pop(*pop))
            .or_insert_with(|| (0, [vec![Load::default(); bins], vec![Load::default(); bins]]));
        let way = &mut ways[usize::from(*way == Way::Out)];
        for (window, load) in windows {
            add(&mut way[bin(*window)], load);
            *size += u128::from(load.legitimate[0]) + u128::from(load.attack[0]);
        }
    }
    let mut pops: Vec<(String, Sums)> = by_name.into_iter().collect();
    pops.sort_by(|(a, (more, _)), (b, (less, _))| less.cmp(more).then(a.cmp(b)));
    if pops.len() > POPS {
        let mut rest = [vec![Load::default(); bins], vec![Load::default(); bins]];
        let joined = pops.split_off(POPS);
        for (_, (_, ways)) in &joined {
            for (sums, own) in rest.iter_mut().zip(ways) {
                sums.iter_mut().zip(own).for_each(|(sum, load)| add(sum, load));
            }
        }
        pops.push((format!("({} others)", joined.len()), (0, rest)));
    }
    let rate = |bytes: u64, bin: usize| (bytes as f64 * 8.0 / lasted[bin].max(1.0)).round() as u64;
    let throughputs = |loads: &[Load], of: fn(&Load) -> [u64; 3]| {
        let passed = |kept: usize| -> Vec<u64> {
            let rates = loads.iter().enumerate().map(|(bin, load)| {
                let bytes = of(load);
                rate(if kept == 0 { bytes[0] } else { bytes[0].saturating_sub(bytes[kept]) }, bin)
            });
            rates.collect()
        };
        let (offered, before, after) = (passed(0), passed(1), passed(2));
        match offered.iter().all(|rate| *rate == 0) {
            true => Throughputs::default(),
            false => Throughputs { offered, before, after },
        }
    };
    let series = pops.iter().flat_map(|(pop, (_, ways))| {
        ways.iter().enumerate().filter_map(move |(way, loads)| {
            let one = Series {
                pop: pop.clone(),
                is_out: way == 1,
                legitimate: throughputs(loads, |load| load.legitimate),
                attack: throughputs(loads, |load| load.attack),
            };
            (one.legitimate != one.attack).then_some(one)
        })
    });
    Timeline {
        starts: windows
            .chunks(each)
            .map(|bin| Timestamp(bin[0].saturating_mul(window_ns)))
            .collect(),
        bin_ns: window_ns.saturating_mul(each as i64),
        series: series.collect(),
    }
}

fn add(sum: &mut Load, load: &Load) {
    let pairs = sum.legitimate.iter_mut().zip(load.legitimate);
    pairs.chain(sum.attack.iter_mut().zip(load.attack)).for_each(|(sum, bytes)| {
        *sum = sum.saturating_add(bytes);
    });
}

//------------ The address space -----------------------------------------------

fn blocks(evidence: &Evidence<'_>, rows: &[CustomerImpact]) -> (Vec<Block>, usize) {
    let mut states: BTreeMap<&str, BlockState> = BTreeMap::new();
    for row in rows {
        let state = match (row.affected, row.touched, row.reached) {
            (true, ..) if row.intended => BlockState::Meant,
            (true, ..) => BlockState::Affected,
            (_, true, _) => BlockState::Touched,
            (_, _, true) => BlockState::Reached,
            _ => BlockState::Safe,
        };
        let known = states.entry(row.id.as_str()).or_insert(BlockState::Safe);
        *known = (*known).max(state);
    }
    let inventory = evidence.inventory();
    let owners = |who: Who| -> Vec<&str> {
        match who {
            Who::Customer(at) => vec![inventory.customers[at].id.value.as_str()],
            Who::Infrastructure(at) => vec![inventory.infrastructure[at].id.value.as_str()],
            Who::Shared(at) => {
                let sharers = inventory.shared[at].customers.iter();
                sharers.map(|id| inventory.customer(*id).id.value.as_str()).collect()
            }
        }
    };
    let mut all: Vec<(Reverse<BlockState>, AddressRange, Prefix, Who)> = Vec::new();
    let mut add = |prefixes: &[Spanned<Prefix>], who: Who| {
        let of_owners = owners(who).into_iter().filter_map(|owner| states.get(owner));
        let state = of_owners.max().copied().unwrap_or_default();
        all.extend(prefixes.iter().map(|one| (Reverse(state), one.value.range(), one.value, who)));
    };
    let customers = inventory.customers.iter().enumerate();
    customers.for_each(|(at, one)| add(&one.prefixes, Who::Customer(at)));
    let shared = inventory.shared.iter().enumerate();
    shared.for_each(|(at, one)| add(&one.prefixes, Who::Shared(at)));
    let entries = inventory.infrastructure.iter().enumerate();
    entries.for_each(|(at, one)| add(&one.prefixes, Who::Infrastructure(at)));
    // The worst are shown, in the order of their addresses.
    all.sort_unstable();
    let more = all.len().saturating_sub(BLOCKS);
    all.truncate(BLOCKS);
    all.sort_unstable_by_key(|(_, range, _, who)| (*range, *who));
    let block = |(Reverse(state), _, prefix, who): (_, _, Prefix, Who)| {
        let owners = owners(who);
        Block {
            prefix: prefix.to_string(),
            owners: owners.iter().take(OWNERS).map(|owner| (*owner).to_owned()).collect(),
            more_owners: owners.len().saturating_sub(OWNERS),
            is_protected: matches!(who, Who::Infrastructure(_)),
            state,
        }
    };
    (all.into_iter().map(block).collect(), more)
}

/// Whose a prefix is, by position in the inventory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Customer(usize),
    Shared(usize),
    Infrastructure(usize),
}
