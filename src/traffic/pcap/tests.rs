//! Captures written by a small generator in every form that is read.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Cursor, Error};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{NameId, Names, SourceId, Timestamp};

#[derive(Clone, Debug)]
struct Packet {
    time_us: u64,
    original_length: u32,
    bytes: Vec<u8>,
}

/// How a capture is written down.
#[derive(Clone, Copy, Debug)]
enum Style {
    Classic { big_endian: bool, nanoseconds: bool },
    Modified,
    Ng { big_endian: bool, obsolete: bool, resolution: Option<u8>, offset_seconds: i64 },
}

const STYLES: [Style; 10] = [
    Style::Classic { big_endian: false, nanoseconds: false },
    Style::Classic { big_endian: false, nanoseconds: true },
    Style::Classic { big_endian: true, nanoseconds: false },
    Style::Classic { big_endian: true, nanoseconds: true },
    Style::Modified,
    Style::Ng { big_endian: false, obsolete: false, resolution: None, offset_seconds: 0 },
    Style::Ng { big_endian: true, obsolete: false, resolution: Some(9), offset_seconds: 1_000 },
    Style::Ng { big_endian: false, obsolete: true, resolution: Some(6), offset_seconds: 7 },
    Style::Ng { big_endian: true, obsolete: true, resolution: Some(10), offset_seconds: 0 },
    Style::Ng {
        big_endian: false,
        obsolete: false,
        resolution: Some(0x80 | 20),
        offset_seconds: 0,
    },
];

/// Bytes in one byte order.
struct Writer {
    big_endian: bool,
    bytes: Vec<u8>,
}

impl Writer {
    fn new(big_endian: bool) -> Writer {
        Writer { big_endian, bytes: Vec::new() }
    }

    fn u16(&mut self, number: u16) -> &mut Writer {
        self.put(&number.to_be_bytes())
    }

    fn u32(&mut self, number: u32) -> &mut Writer {
        self.put(&number.to_be_bytes())
    }

    fn u64(&mut self, number: u64) -> &mut Writer {
        self.put(&number.to_be_bytes())
    }

    fn put(&mut self, big: &[u8]) -> &mut Writer {
        if self.big_endian {
            self.bytes.extend(big);
        } else {
            self.bytes.extend(big.iter().rev());
        }
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Writer {
        self.bytes.extend(bytes);
        self
    }

    fn padded(&mut self, bytes: &[u8]) -> &mut Writer {
        self.raw(bytes).raw(&[0xee; 3][..bytes.len().next_multiple_of(4) - bytes.len()])
    }

    fn block(&mut self, kind: u32, content: impl FnOnce(&mut Writer)) {
        let mut inner = Writer::new(self.big_endian);
        content(&mut inner);
        let length = u32::try_from(12 + inner.bytes.len()).unwrap();
        self.u32(kind).u32(length).raw(&inner.bytes).u32(length);
    }

    fn section(&mut self) {
        self.block(0x0a0d_0d0a, |block| {
            block.u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX);
        });
    }

    fn interface(&mut self, link: u16, options: impl FnOnce(&mut Writer)) {
        self.block(1, |block| {
            block.u16(link).u16(0).u32(0);
            options(block);
        });
    }

    fn packet(&mut self, kind: u32, interface: u32, units: u64, packet: &Packet) {
        self.block(kind, |block| {
            match kind {
                // How many were dropped is not known.
                2 => block.u16(interface.try_into().unwrap()).u16(u16::MAX),
                _ => block.u32(interface),
            };
            block.u32((units >> 32) as u32).u32(units as u32);
            block.u32(packet.bytes.len().try_into().unwrap()).u32(packet.original_length);
            block.padded(&packet.bytes);
            // A comment, and the end of the options.
            block.u16(1).u16(2).padded(b"hi").u16(0).u16(0);
        });
    }
}

fn write(style: Style, link: u16, packets: &[Packet]) -> Vec<u8> {
    let mut writer;
    match style {
        Style::Classic { .. } | Style::Modified => {
            let (big_endian, magic, unit_ns) = match style {
                Style::Classic { big_endian, nanoseconds: true } => (big_endian, 0xa1b2_3c4d, 1),
                Style::Classic { big_endian, .. } => (big_endian, 0xa1b2_c3d4, 1_000),
                _ => (false, 0xa1b2_cd34, 1_000),
            };
            writer = Writer::new(big_endian);
            writer.u32(magic).u16(2).u16(4).u64(0).u32(65_535).u32(link.into());
            for packet in packets {
                let fraction = packet.time_us % 1_000_000 * (1_000 / unit_ns);
                writer.u32((packet.time_us / 1_000_000) as u32).u32(fraction as u32);
                writer.u32(packet.bytes.len().try_into().unwrap()).u32(packet.original_length);
                if matches!(style, Style::Modified) {
                    writer.u64(0x0102_0304);
                }
                writer.raw(&packet.bytes);
            }
        }
        Style::Ng { big_endian, obsolete, resolution, offset_seconds } => {
            writer = Writer::new(big_endian);
            writer.section();
            // Another interface first, and a block of an unknown kind.
            writer.interface(147, |_| {});
            writer.block(0x7777, |block| {
                block.raw(&[1; 40]);
            });
            writer.interface(link, |block| {
                if let Some(resolution) = resolution {
                    block.u16(9).u16(1).padded(&[resolution]);
                }
                block.u16(14).u16(8).u64(offset_seconds as u64).u16(0).u16(0);
            });
            for packet in packets {
                let since_us = u128::from(packet.time_us) - offset_seconds as u128 * 1_000_000;
                let units = match resolution {
                    Some(power) if power & 0x80 != 0 => (since_us << (power & 0x7f)) / 1_000_000,
                    power => since_us * 10_u128.pow(power.unwrap_or(6).into()) / 1_000_000,
                };
                writer.packet(if obsolete { 2 } else { 6 }, 1, units as u64, packet);
            }
        }
    }
    writer.bytes
}

/// Hands out a few bytes at a time, as pipes and decompressors do.
struct Dribble(Cursor<Vec<u8>>, usize);

impl Read for Dribble {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let most = room.len().min(self.1);
        self.0.read(&mut room[..most])
    }
}

fn settings() -> Settings {
    Settings {
        source: SourceId(3),
        name: "a.pcap".into(),
        pop: None,
        pops: Default::default(),
        direction: None,
        label: None,
        sampling: None,
        inner: false,
        now: Timestamp(0),
        batch: 3,
        names: Arc::new(Names::new()),
        columns: None,
        zone: None,
        file: None,
        count_drops: false,
    }
}

fn read_from(
    input: impl Read + Send + 'static,
    settings: &Settings,
) -> Result<(Vec<Record>, ReadCounts), String> {
    let mut reader =
        (FORM.open)(Box::new(input), settings).map_err(|errors| errors[0].message.clone())?;
    let (mut records, mut piece) = (Vec::new(), Piece::new());
    while reader.cut(&mut piece).map_err(|error| error.message)? {
        while let Some(batch) = piece.decode() {
            assert!(batch.len() <= settings.batch);
            records.extend(batch.iter());
        }
    }
    assert!(piece.decode().is_none() && !reader.cut(&mut piece).unwrap());
    let counts = reader.counts();
    let sum: u64 = counts.other.values().chain(counts.unread.values()).sum();
    assert_eq!(counts.frames, counts.records + sum);
    assert_eq!(counts.records, records.len() as u64);
    Ok((records, counts))
}

fn read_all(bytes: &[u8]) -> (Vec<Record>, ReadCounts) {
    assert!(capture::detect(&bytes[..bytes.len().min(16)]));
    read_from(Cursor::new(bytes.to_vec()), &settings()).unwrap()
}

fn datagram(last: u8) -> Packet {
    let mut bytes = vec![0; 12];
    bytes
        .extend([8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, last]);
    bytes.extend([0, 53, 0, 53, 0, 8, 0, 0]);
    Packet { time_us: 1_700_000_000_123_456 + u64::from(last), original_length: 42, bytes }
}

fn arp() -> Packet {
    let mut bytes = vec![0; 12];
    bytes.extend([8, 6, 0, 1]);
    Packet { time_us: 1_700_000_000_000_000, original_length: 60, bytes }
}

#[test]
fn records_say_what_the_capture_and_the_user_say() {
    let bytes = write(STYLES[0], 1, &[arp(), datagram(7)]);
    let (records, counts) = read_all(&bytes);
    assert_eq!((counts.frames, counts.other.get("arp")), (2, Some(&1)));
    let record = records[0];
    assert_eq!((record.number, record.time_ns), (2, 1_700_000_000_123_463_000));
    assert_eq!((record.bytes, record.packets, record.weight), (28, 1, 1));
    assert_eq!(
        (record.pop, record.direction, record.label),
        (None, Direction::Ingress, Label::None)
    );
    assert_eq!(record.header.known, Known::ALL.without(Known::POP));
    let told = Settings {
        pop: Some(NameId(4)),
        direction: Some(Direction::Egress),
        label: Some(Label::Attack),
        sampling: Some(SamplingRate(100)),
        ..settings()
    };
    let record = read_from(Cursor::new(bytes), &told).unwrap().0[0];
    assert_eq!((record.pop, record.direction), (Some(NameId(4)), Direction::Egress));
    assert_eq!((record.label, record.weight), (Label::Attack, 100));
    assert_eq!(record.header.known, Known::ALL);
}

#[test]
fn absurd_batch_sizes_become_the_usual_one() {
    let packets: Vec<Packet> = (0..40).map(datagram).collect();
    for batch in [0, usize::MAX] {
        let settings = Settings { batch, ..settings() };
        let input = Box::new(Cursor::new(write(STYLES[5], 1, &packets)));
        let mut reader = (FORM.open)(input, &settings).unwrap();
        let mut piece = Piece::new();
        assert!(reader.cut(&mut piece).unwrap());
        assert_eq!(piece.decode().unwrap().len(), 40);
    }
}

#[test]
fn sections_start_afresh_and_interfaces_have_their_own_link_type() {
    let packet = datagram(1);
    let bare = Packet { bytes: packet.bytes[14..].to_vec(), original_length: 28, ..packet.clone() };
    let mut writer = Writer::new(true);
    writer.section();
    writer.interface(101, |_| {});
    writer.interface(1, |_| {});
    writer.packet(6, 0, packet.time_us, &bare);
    writer.packet(6, 1, packet.time_us, &packet);
    let mut second = Writer::new(false);
    second.section();
    second.packet(6, 0, packet.time_us, &packet);
    second.interface(1, |_| {});
    second.packet(6, 0, packet.time_us, &packet);
    // A simple packet has no time and no captured length of its own.
    second.block(3, |block| {
        block.u32(42).padded(&packet.bytes);
    });
    writer.raw(&second.bytes);
    let (records, counts) = read_all(&writer.bytes);
    let numbers: Vec<u64> = records.iter().map(|record| record.number).collect();
    assert_eq!(numbers, [1, 2, 4, 5]);
    assert_eq!(counts.unread.get("a packet of an interface that was not described"), Some(&1));
    for record in &records {
        assert_eq!((record.header, record.time_ns), (records[0].header, records[0].time_ns));
    }
}

#[test]
fn a_header_alone_gives_no_records_and_no_error() {
    for style in STYLES {
        let (records, counts) = read_all(&write(style, 1, &[]));
        assert!(records.is_empty() && counts == ReadCounts::default(), "{style:?}");
    }
}

#[test]
fn what_only_starts_like_a_capture_is_an_error_that_names_the_file() {
    let error = |bytes: &[u8]| read_from(Cursor::new(bytes.to_vec()), &settings()).unwrap_err();
    let classic = write(STYLES[0], 1, &[]);
    assert_eq!(error(&classic[..23]), "a.pcap: cut off in the middle of the pcap header");
    let mut old = classic.clone();
    old[6] = 2;
    assert_eq!(error(&old), "a.pcap: pcap version 2.2 is not read");
    let ng = write(STYLES[5], 1, &[]);
    assert_eq!(error(&ng[..20]), "a.pcap: cut off in the middle of a pcapng section header");
    let mut new = ng.clone();
    new[12] = 2;
    assert_eq!(error(&new), "a.pcap: pcapng version 2 is not read");
    assert!(error(&[&ng[..8], &[7; 40]].concat()).contains("corrupt"));
}

#[test]
fn a_length_beyond_belief_ends_the_reading_and_takes_no_memory() {
    for style in [STYLES[0], STYLES[2], STYLES[4], STYLES[5], STYLES[6]] {
        let mut bytes = write(style, 1, &[datagram(1)]);
        let good = bytes.len();
        bytes.extend(write(style, 1, &[datagram(2)]).split_off(write(style, 1, &[]).len()));
        let at = good + if matches!(style, Style::Ng { .. }) { 4 } else { 8 };
        bytes[at..at + 4].copy_from_slice(&[0xf0; 4]);
        let (records, counts) = read_all(&bytes);
        assert_eq!((records.len(), counts.frames), (1, 2), "{style:?}");
        assert!(counts.unread.keys().any(|reason| reason.contains("claims")), "{counts:?}");
    }
}

#[test]
fn an_input_that_fails_is_told_and_what_came_before_is_kept() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(Error::other("corrupt deflate stream"))
        }
    }
    for style in STYLES {
        let bytes = write(style, 1, &[datagram(1)]);
        for end in [bytes.len(), bytes.len() - 5] {
            let input = Cursor::new(bytes[..end].to_vec()).chain(Fails);
            let mut reader = (FORM.open)(Box::new(input), &settings()).unwrap();
            let mut piece = Piece::new();
            if end == bytes.len() {
                assert!(reader.cut(&mut piece).unwrap(), "{style:?}");
                assert_eq!(piece.decode().unwrap().len(), 1, "{style:?}");
            }
            let problem = reader.cut(&mut piece).unwrap_err();
            assert!(problem.message.contains("corrupt deflate stream"), "{problem:?}");
            let unread = reader.counts().unread;
            assert_eq!(unread.get("corrupt deflate stream"), Some(&1), "{style:?}");
        }
    }
}

#[test]
fn a_block_that_contradicts_itself_ends_the_reading() {
    for style in [STYLES[5], STYLES[6], STYLES[7], STYLES[8]] {
        let bytes = write(style, 1, &[datagram(1)]);
        let good = bytes.len();
        let tail =
            write(style, 1, &[datagram(2), datagram(3)]).split_off(write(style, 1, &[]).len());
        // The repeated length; the captured length.
        for at in [tail.len() / 2 - 1, tail.len() / 2 - 4, 20, 23] {
            let mut bytes = bytes.clone();
            bytes.extend(&tail);
            bytes[good + at] ^= 0xff;
            let (records, counts) = read_all(&bytes);
            assert_eq!((records.len(), counts.frames), (1, 2), "{style:?} at {at}");
            assert_eq!(counts.unread.get("a corrupt pcapng block"), Some(&1), "{style:?} at {at}");
        }
    }
}

#[test]
fn pieces_may_be_cut_anywhere_and_decoded_later() {
    let sized = |(last, size): (u8, usize)| {
        let mut packet = datagram(last);
        packet.bytes.resize(size, last);
        Packet { original_length: size.try_into().unwrap(), ..packet }
    };
    // Some are longer than what is read at a time.
    let sizes = [42, 70_000, 60, 300_000, 43, 44, 262_144, 700_000, 50, 1500, 600_000];
    let packets: Vec<Packet> = (1..).zip(sizes.repeat(3)).map(sized).collect();
    for style in STYLES {
        let mut bytes = write(style, 1, &packets);
        if let Style::Ng { big_endian, .. } = style {
            // What is skipped is longer, too.
            let mut writer = Writer::new(big_endian);
            writer.block(0x7777, |block| {
                block.raw(&[1; 900_000]);
            });
            let more = write(style, 1, &packets[..4]);
            let blocks = writer.bytes.repeat(2);
            bytes = [&more[..], &blocks[..], &bytes[..], &writer.bytes[..]].concat();
        }
        let (expected, expected_counts) = read_all(&bytes);
        for size in [1 << 20, 100_000, 4096, 999] {
            let input = Box::new(Dribble(Cursor::new(bytes.clone()), size));
            let mut reader = (FORM.open)(input, &settings()).unwrap();
            let (mut records, mut pieces) = (Vec::<Record>::new(), [(); 3].map(|()| Piece::new()));
            loop {
                let cut = pieces
                    .iter_mut()
                    .map(|piece| reader.cut(piece).unwrap())
                    .take_while(|cut| *cut)
                    .count();
                for piece in &mut pieces[..cut] {
                    while let Some(batch) = piece.decode() {
                        records.extend(batch.iter());
                    }
                }
                if cut < pieces.len() {
                    break;
                }
            }
            assert!(records == expected, "{style:?} by {size}");
            assert_eq!(reader.counts(), expected_counts, "{style:?} by {size}");
        }
    }
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let mostly_ip = (any::<u8>(), 0_usize..60, 0_u32..2000, 0_u64..1_700_000_000).prop_map(
        |(last, kept, longer, time)| {
            let mut packet = datagram(last);
            packet.bytes.truncate(kept);
            packet.time_us = 1_000_000 * (1_000 + time) + u64::from(last) * 100;
            packet.original_length = 42 + longer;
            packet
        },
    );
    prop::collection::vec(mostly_ip, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_form_of_the_same_capture_gives_the_same_records(
        packets in packets(),
        piece in 1_usize..50,
    ) {
        let (records, counts) = read_all(&write(STYLES[0], 1, &packets));
        prop_assert_eq!(counts.frames, packets.len() as u64);
        for style in STYLES {
            let bytes = write(style, 1, &packets);
            let input = Dribble(Cursor::new(bytes), piece);
            let (mut others, other_counts) = read_from(input, &settings()).unwrap();
            if matches!(style, Style::Ng { resolution: Some(0x80..), .. }) {
                // Binary fractions of a second round down.
                for (other, record) in others.iter_mut().zip(&records) {
                    prop_assert!((0..1_000).contains(&(record.time_ns - other.time_ns)));
                    other.time_ns = record.time_ns;
                }
            }
            prop_assert_eq!(&others, &records, "{:?}", style);
            prop_assert_eq!(&other_counts, &counts, "{:?}", style);
        }
    }

    #[test]
    fn a_capture_cut_anywhere_keeps_what_is_whole_and_tells_of_the_cut(packets in packets()) {
        for style in STYLES {
            let bytes = write(style, 1, &packets);
            let (all, _) = read_all(&bytes);
            for end in write(style, 1, &[]).len()..bytes.len() {
                let (records, counts) = read_all(&bytes[..end]);
                prop_assert_eq!(&records[..], &all[..records.len()]);
                let cut: u64 = counts.unread.iter()
                    .filter(|(reason, _)| reason.starts_with("cut off in the middle"))
                    .map(|(_, count)| count).sum();
                let whole = counts.frames - cut;
                let end_of_whole = write(style, 1, &packets[..whole as usize]).len();
                prop_assert_eq!(cut, u64::from(end != end_of_whole), "{:?} at {}", style, end);
            }
        }
    }

    #[test]
    fn no_damage_makes_it_panic_or_hang(
        packets in packets(),
        style in prop::sample::select(STYLES.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
    ) {
        let mut bytes = write(style, 1, &packets);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read_from(Cursor::new(bytes), &settings());
    }

    #[test]
    fn no_bytes_make_it_panic_or_hang(
        start in prop::sample::select(STYLES.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut file = write(start, 1, &[]);
        file.extend(bytes);
        let _ = read_from(Cursor::new(file), &settings());
    }
}
