//! What a recording says of what is not in it: exports that came in pieces or never came, packets that
//! the recorder dropped. It is unread, and too much of it is no evidence.

use blastgate::model::{ReadCounts, Record};
use proptest::prelude::*;

use crate::recorded;

/// A capture of Ethernet frames, one a second.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    bytes.extend([0; 8]);
    bytes.extend([0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    for (frame, time) in frames.iter().zip(1_772_272_800_u32..) {
        let length = frame.len() as u32;
        [time, 0, length, length].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes.extend(frame);
    }
    bytes
}

/// A UDP datagram with its header.
fn udp(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [40_000, 2055, 8 + payload.len() as u16, 0] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

/// A frame of a part of a datagram that stands at `offset`.
fn part(is_v6: bool, id: u16, offset: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let length = bytes.len() as u16;
    let is_part = more || offset > 0;
    if is_v6 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((length + if is_part { 8 } else { 0 }).to_be_bytes());
        frame.extend([if is_part { 44 } else { 17 }, 64]);
        frame.extend([[0x20; 16], [0x30; 16]].concat());
        if is_part {
            frame.extend([17, 0]);
            frame.extend((offset as u16 | u16::from(more)).to_be_bytes());
            frame.extend(u32::from(id).to_be_bytes());
        }
    } else {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + length).to_be_bytes());
        frame.extend(id.to_be_bytes());
        frame.extend(((offset as u16 / 8) | (u16::from(more) << 13)).to_be_bytes());
        frame.extend([64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    }
    frame.extend(bytes);
    frame
}

/// Cuts a datagram into parts at multiples of 8 bytes.
fn parts(is_v6: bool, id: u16, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    let bytes = udp(payload);
    let count = bytes.len().div_ceil(size);
    let chunks = bytes.chunks(size).enumerate();
    chunks.map(|(at, bytes)| part(is_v6, id, at * size, at + 1 < count, bytes)).collect()
}

fn words(bytes: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| bytes.extend(word.to_be_bytes()));
}

fn halves(bytes: &mut Vec<u8>, halves: &[u16]) {
    halves.iter().for_each(|half| bytes.extend(half.to_be_bytes()));
}

/// NetFlow v5 of so many flows.
fn v5(number: u32, flows: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    halves(&mut bytes, &[5, flows]);
    words(&mut bytes, &[1_000_000, 1_772_272_800, 0, number]);
    halves(&mut bytes, &[0, 1]);
    for flow in 0..u32::from(flows) {
        words(&mut bytes, &[0xc633_6401, 0xcb00_7101, 0, 0, 1 + flow, 400, 999_000, 999_500]);
        halves(&mut bytes, &[1234, 53]);
        bytes.extend([0, 0, 17, 0]);
        words(&mut bytes, &[0, 0]);
    }
    bytes
}

/// IPFIX or NetFlow v9 of so many flows, with their template.
fn sets(version: u16, number: u32, flows: u16) -> Vec<u8> {
    message(version, number, flows, true)
}

/// IPFIX or NetFlow v9 of so many flows, with their template or without.
fn message(version: u16, number: u32, flows: u16, has_template: bool) -> Vec<u8> {
    // Times are uptimes, or seconds since 1970.
    let (times, first): (u16, u32) =
        if version == 9 { (22, 999_000) } else { (150, 1_772_272_799) };
    let fields = [8, 12, 1, 2, times, times - 1 + 2 * u16::from(version == 10), 34];
    let mut sets = Vec::new();
    if has_template {
        halves(&mut sets, &[if version == 9 { 0 } else { 2 }, 8 + 4 * 7, 256, 7]);
        fields.iter().for_each(|element| halves(&mut sets, &[*element, 4]));
    }
    halves(&mut sets, &[256, 4 + 28 * flows]);
    for _ in 0..flows {
        words(&mut sets, &[0xc633_6401, 0xcb00_7101, 400, 3, first, first, 1]);
    }
    let mut bytes = Vec::new();
    if version == 9 {
        halves(&mut bytes, &[9, flows + u16::from(has_template)]);
        words(&mut bytes, &[1_000_000, 1_772_272_800, number, 7]);
    } else {
        halves(&mut bytes, &[10, 16 + sets.len() as u16]);
        words(&mut bytes, &[1_772_272_800, number, 7]);
    }
    bytes.extend(sets);
    bytes
}

/// sFlow of so many samples, whose agent had to drop some up to now.
fn sflow(number: u32, samples: u32, drops: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Datagrams are numbered for themselves.
    let datagram = number / samples.max(1);
    words(&mut bytes, &[5, 1, 0xc000_0201, 0, datagram, 1_000, samples]);
    let packet = part(false, 1, 0, false, &udp(&[0; 30]));
    for sample in 0..samples {
        let padded = packet.len().next_multiple_of(4);
        words(&mut bytes, &[1, 32 + 8 + 16 + padded as u32]);
        words(&mut bytes, &[number + sample, 3, 1, 1, drops, 0, 0, 1]);
        words(&mut bytes, &[1, 16 + padded as u32, 1, packet.len() as u32, 0, packet.len() as u32]);
        bytes.extend(&packet);
        bytes.resize(bytes.len() + padded - packet.len(), 0);
    }
    bytes
}

fn read(form: &str, frames: &[Vec<u8>]) -> (Vec<Record>, ReadCounts) {
    recorded::read_as(form, capture(frames), &crate::rows::settings(None, false)).expect("exports")
}

fn unread(counts: &ReadCounts) -> u64 {
    counts.unread.values().sum()
}

fn whole(payload: &[u8]) -> Vec<u8> {
    part(false, 1, 0, false, &udp(payload))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Exports that were sent in parts, whose parts come in any order and mixed with others, say what
    /// they say in one packet.
    #[test]
    fn exports_in_parts_are_put_together(
        order in Just((0..24).collect::<Vec<usize>>()).prop_shuffle(),
        size in (8usize..40).prop_map(|eights| eights * 8),
        is_v6: bool,
        double: bool,
    ) {
        let messages = [v5(0, 25), v5(25, 30), v5(55, 8)];
        let mut frames: Vec<Vec<u8>> = (1..).zip(&messages)
            .flat_map(|(id, message)| parts(is_v6, id, message, size)).collect();
        let mut keyed: Vec<(usize, Vec<u8>)> =
            frames.drain(..).enumerate().map(|(at, frame)| (order[at % order.len()], frame)).collect();
        keyed.sort();
        // The form of a capture is told by its first packet.
        let mut frames = vec![whole(&v5(63, 1))];
        frames.extend(keyed.into_iter().map(|(_, frame)| frame));
        if double {
            let again = frames[1].clone();
            frames.insert(1, again);
        }
        let (records, counts) = read("netflow", &frames);
        let all: Vec<Vec<u8>> =
            messages.iter().map(|message| whole(message)).chain([whole(&v5(63, 1))]).collect();
        let (expected, _) = read("netflow", &all);
        let flows = |records: &[Record]| {
            let mut flows: Vec<(u64, u64, u16)> = records.iter()
                .map(|record| (record.packets, record.bytes, record.header.src_port)).collect();
            flows.sort();
            flows
        };
        prop_assert_eq!(flows(&records), flows(&expected), "{:?}", counts);
        prop_assert_eq!(unread(&counts), 0, "{:?}", counts);
    }

    /// A lost part takes with it what the others held.
    #[test]
    fn parts_whose_others_are_missing_are_counted(size in (8usize..40).prop_map(|eights| eights * 8)) {
        let mut frames = vec![whole(&v5(0, 1))];
        let cut = parts(false, 9, &v5(1, 30), size);
        let missing = cut.len() / 2;
        frames.extend(cut.into_iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, frame)| frame));
        let (records, counts) = read("netflow", &frames);
        prop_assert_eq!(records.len(), 1);
        // 1,448 bytes, of which at most 312 are missing.
        prop_assert!(unread(&counts) >= 22, "{:?}", counts);
    }
}

#[test]
fn a_capture_whose_first_export_is_in_parts_is_one_of_exports() {
    for is_v6 in [false, true] {
        let frames = parts(is_v6, 1, &v5(0, 30), 800);
        let form = blastgate::traffic::detect(&capture(&frames)).expect("a form");
        assert_eq!(form.name, "netflow");
        assert_eq!(read("netflow", &frames).0.len(), 30);
    }
}

#[test]
fn exports_that_never_came_are_unread() {
    type Make = fn(u32) -> Vec<u8>;
    let make: [(&str, &str, Make); 5] = [
        ("netflow v5", "netflow", |at| v5(at * 20, 20)),
        ("netflow v9", "netflow", |at| sets(9, at, 20)),
        ("ipfix", "netflow", |at| sets(10, at * 20, 20)),
        ("ipfix that counts what it holds, too", "netflow", |at| sets(10, (at + 1) * 20, 20)),
        ("sflow", "sflow", |at| sflow(at * 20, 20, 0)),
    ];
    for (name, form, make) in make {
        let all: Vec<Vec<u8>> = (0..30).map(|at| whole(&make(at))).collect();
        let (records, counts) = read(form, &all);
        assert_eq!((records.len(), unread(&counts)), (600, 0), "{name}: {counts:?}");
        let kept: Vec<Vec<u8>> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| at % 3 != 1)
            .map(|(_, one)| one.clone())
            .collect();
        let (records, counts) = read(form, &kept);
        assert_eq!(records.len(), 400, "{name}");
        // The last of those that are missing comes before the last that is there; v9 counts templates.
        assert!((200..=220).contains(&unread(&counts)), "{name}: {counts:?}");
        // Two senders that share an address, and one that begins again, miss nothing.
        let later = (0..30).map(|at| {
            let mut message = make(at);
            // Another time, or uptime.
            message[if form == "sflow" { 23 } else { 7 }] ^= 1;
            whole(&message)
        });
        let again: Vec<Vec<u8>> = all.iter().cloned().chain(later).collect();
        let (records, counts) = read(form, &again);
        assert_eq!((records.len(), unread(&counts)), (1_200, 0), "{name}: {counts:?}");
    }
}

#[test]
fn samples_that_an_agent_dropped_are_unread() {
    let all: Vec<Vec<u8>> = (0..4).map(|at| whole(&sflow(at * 5, 5, 100 + at * 10))).collect();
    let (records, counts) = read("sflow", &all);
    assert_eq!((records.len(), unread(&counts)), (20, 30), "{counts:?}");
    // An agent that begins again counts them from zero.
    let again: Vec<Vec<u8>> = [100, 140, 2, 7, 7, 5, 9]
        .into_iter()
        .zip(0..)
        .map(|(drops, at)| whole(&sflow(at * 5, 5, drops)))
        .collect();
    let (records, counts) = read("sflow", &again);
    assert_eq!((records.len(), unread(&counts)), (35, 49), "{counts:?}");
}

#[test]
fn exports_that_were_lost_before_their_template_came_are_unread() {
    // Ten messages wait for the template, and every third of those is lost.
    let all: Vec<Vec<u8>> = (0..20).map(|at| whole(&message(10, at * 20, 20, at >= 10))).collect();
    let (records, counts) = read("netflow", &all);
    assert_eq!((records.len(), unread(&counts)), (400, 0), "{counts:?}");
    let kept: Vec<Vec<u8>> =
        (0..).zip(&all).filter(|(at, _)| at % 3 != 1).map(|(_, one)| one.clone()).collect();
    let (records, counts) = read("netflow", &kept);
    // The last that is lost comes right before the last that is there.
    assert_eq!((records.len(), unread(&counts)), (260, 120), "{counts:?}");
}

#[test]
fn exports_that_were_lost_where_no_template_ever_came_are_unread() {
    let all = |lost: bool| -> Vec<Vec<u8>> {
        let messages = (0..30).filter(|at| !lost || at % 3 == 0);
        messages.map(|at| whole(&message(10, at * 20, 20, false))).collect()
    };
    // 560 bytes hold 12 records of 48, and at most 35 of 16.
    let (_, counts) = read("netflow", &all(false));
    assert_eq!(unread(&counts), 30 * 12, "{counts:?}");
    let (_, counts) = read("netflow", &all(true));
    assert_eq!(unread(&counts), 10 * 12 + 9 * (60 - 35), "{counts:?}");
}

#[test]
fn records_that_a_message_claims_and_does_not_hold_are_unread() {
    let mut message = message(9, 0, 20, true);
    message[2..4].copy_from_slice(&121_u16.to_be_bytes());
    let (records, counts) = read("netflow", &[whole(&message)]);
    assert_eq!((records.len(), unread(&counts)), (20, 100), "{counts:?}");
}

/// A capture of the next generation, in which an interface says how many packets were dropped.
fn pcapng(packets: usize, interface: u64, system: u64, by_packet: u64) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let length = (12 + body.len()) as u32;
        [&kind.to_le_bytes(), &length.to_le_bytes(), body, &length.to_le_bytes()].concat()
    };
    let option = |code: u16, value: u64| {
        [&code.to_le_bytes()[..], &8u16.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let mut bytes = block(
        0x0a0d_0d0a,
        &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat(),
    );
    bytes.extend(block(1, &[1, 0, 0, 0, 0, 0, 4, 0]));
    for at in 0..packets {
        let frame = whole(&[0; 30]);
        let mut body = Vec::new();
        let length = frame.len() as u32;
        for word in [0, 0x0006_4bd5, at as u32, length, length] {
            body.extend(word.to_le_bytes());
        }
        body.extend(&frame);
        body.resize(body.len().next_multiple_of(4), 0);
        if by_packet > 0 {
            body.extend([option(4, by_packet), vec![0; 4]].concat());
        }
        bytes.extend(block(6, &body));
    }
    let mut body = vec![0; 12];
    body.extend([option(5, interface), option(7, system), vec![0; 4]].concat());
    bytes.extend(block(5, &body));
    bytes
}

#[test]
fn packets_that_the_recorder_dropped_are_unread() {
    for (interface, system, by_packet, dropped) in
        [(0, 0, 0, 0), (70, 5, 0, 75), (0, 0, 3, 30), (70, 5, 3, 75)]
    {
        let bytes = pcapng(10, interface, system, by_packet);
        let (records, counts) =
            recorded::read_as("pcap", bytes, &recorded::settings()).expect("a capture");
        assert_eq!((records.len(), unread(&counts)), (10, dropped), "{counts:?}");
    }
}

/// IPFIX that says how many packets a process ignored, and how many flows it did not send.
fn totals(number: u32, process: u32, ignored: u32, not_sent: u32) -> Vec<u8> {
    let mut sets = Vec::new();
    halves(&mut sets, &[3, 10 + 12, 300, 3, 1, 143, 4, 164, 8, 166, 8, 300, 4 + 20]);
    words(&mut sets, &[process, 0, ignored, 0, not_sent]);
    let mut bytes = Vec::new();
    halves(&mut bytes, &[10, 16 + sets.len() as u16]);
    words(&mut bytes, &[1_772_272_800, number, 7]);
    bytes.extend(sets);
    bytes
}

#[test]
fn what_an_exporter_says_that_it_did_not_send_is_unread() {
    // Records of three packets each.
    let lost = |all: &[(u32, u32, u32)]| {
        let mut frames = Vec::new();
        for (at, (process, ignored, not_sent)) in (0..).zip(all) {
            frames.push(whole(&sets(10, at * 21, 20)));
            frames.push(whole(&totals(at * 21 + 20, *process, *ignored, *not_sent)));
        }
        let (records, counts) = read("netflow", &frames);
        assert_eq!(records.len(), all.len() * 20);
        unread(&counts)
    };
    assert_eq!(lost(&[(1, 900, 70), (1, 900, 70)]), 0);
    assert_eq!(lost(&[(1, 900, 70), (1, 960, 75)]), 25);
    // Each process counts for itself, and from zero where it begins again.
    assert_eq!(lost(&[(1, 900, 70), (2, 5, 5), (1, 900, 70), (2, 5, 6), (1, 3, 0)]), 2);
}

#[test]
fn a_datagram_counts_once_however_often_it_was_captured() {
    let all: Vec<Vec<u8>> = (0..30).map(|at| whole(&sflow(at * 20, 20, 0))).collect();
    let twice: Vec<Vec<u8>> = all.iter().flat_map(|one| [one.clone(), one.clone()]).collect();
    let (records, counts) = read("sflow", &twice);
    assert_eq!((records.len(), unread(&counts)), (600, 0), "{counts:?}");
    assert_eq!(counts.other["copies of exports"], 30);
}

#[test]
fn datagrams_of_samples_that_are_missing_are_unread_though_their_samples_have_no_gap() {
    // Every second datagram held the samples of another source.
    let all: Vec<Vec<u8>> = (0..30)
        .map(|at| {
            let mut datagram = sflow(at * 20, 20, 0);
            datagram[16..20].copy_from_slice(&(at * 2).to_be_bytes());
            whole(&datagram)
        })
        .collect();
    let (records, counts) = read("sflow", &all);
    assert_eq!((records.len(), unread(&counts)), (600, 29 * 20), "{counts:?}");
}

#[test]
fn sets_whose_exporter_counts_sets_count_by_their_bytes() {
    let mut message = message(9, 0, 40, false);
    message[2..4].copy_from_slice(&1_u16.to_be_bytes());
    let (_, counts) = read("netflow", &[whole(&message)]);
    assert_eq!(unread(&counts), (40_u64 * 28).div_ceil(48), "{counts:?}");
}

#[test]
fn what_went_out_beside_what_came_in_is_the_way_back() {
    let flow = |out: u32| {
        let mut sets = Vec::new();
        halves(&mut sets, &[0, 8 + 4 * 9, 256, 9]);
        [8, 12, 1, 2, 23, 24, 22, 21, 34]
            .iter()
            .for_each(|element| halves(&mut sets, &[*element, 4]));
        halves(&mut sets, &[256, 4 + 36]);
        words(&mut sets, &[0xc633_6401, 0xcb00_7101, 400, 3, out * 500, out, 999_000, 999_000, 1]);
        let mut bytes = Vec::new();
        halves(&mut bytes, &[9, 2]);
        words(&mut bytes, &[1_000_000, 1_772_272_800, 0, 7]);
        bytes.extend(sets);
        let (records, counts) = read("netflow", &[whole(&bytes)]);
        assert_eq!(unread(&counts), 0, "{counts:?}");
        records.iter().map(|one| (one.header.src, one.packets, one.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(flow(0), [(0xc633_6401, 3, 400)]);
    assert_eq!(flow(7), [(0xc633_6401, 3, 400), (0xcb00_7101, 7, 3_500)]);
}
