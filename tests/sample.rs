//! The sample capture: made here, byte for byte.
//!
//! `BLASTGATE_WRITE_FIXTURES=1 cargo test --test tests sample` writes it anew; without the variable
//! the test holds the committed file against what the generator makes.

use std::path::PathBuf;

/// 2026-03-01T16:30:00Z.
const START_SECONDS: u32 = 1_772_382_600;
/// Packets are cut here, as routers do.
const SNAPLEN: usize = 128;
/// How long the capture is.
const MICROSECONDS: u64 = 10_000_000;

/// A small generator of numbers that are the same everywhere (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }
}

/// One frame and when it is sent.
struct Frame {
    time_us: u64,
    bytes: Vec<u8>,
}

pub(super) fn ethernet(ethertype: u16, vlan: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    if let Some(vlan) = vlan {
        bytes.extend(0x8100u16.to_be_bytes());
        bytes.extend(vlan.to_be_bytes());
    }
    bytes.extend(ethertype.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 =
        header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv4 packet; `fragment` holds the flags and the offset in units of eight bytes.
pub(super) fn ipv4(
    src: [u8; 4],
    dst: [u8; 4],
    protocol: u8,
    id: u16,
    fragment: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + payload.len() as u16).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(fragment.to_be_bytes());
    header.extend([57, protocol, 0, 0]);
    header.extend(src);
    header.extend(dst);
    let sum = checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    header.extend(payload);
    header
}

fn ipv6(src: [u8; 16], dst: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((payload.len() as u16).to_be_bytes());
    header.extend([next, 60]);
    header.extend(src);
    header.extend(dst);
    header.extend(payload);
    header
}

pub(super) fn udp(src: u16, dst: u16, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [src, dst, 8 + length as u16, 0] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.resize(8 + length, 0x2a);
    bytes
}

pub(super) fn tcp(src: u16, dst: u16, flags: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(src.to_be_bytes());
    bytes.extend(dst.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.resize(20 + length, 0x2a);
    bytes
}

fn v6(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().expect("an address").octets()
}

fn frames() -> Vec<Frame> {
    let mut random = Random(0x5eed_2026_0301_1630);
    let mut frames = Vec::new();
    let visitor = |random: &mut Random| [198, 19, random.below(8) as u8, random.below(256) as u8];
    // The amplification: NTP answers to the shop, some so large that they come in fragments.
    for at in 0..3_000u64 {
        let time_us = 1_000_000 + at * 2_900 + random.below(2_000);
        let src = [100, 64 + random.below(64) as u8, random.below(256) as u8, 7];
        let dst = [203, 0, 113, 65 + random.below(3) as u8];
        let vlan = (at % 2 == 0).then_some(100);
        let id = at as u16;
        let mut send = |fragment: u16, payload: &[u8], later_us: u64| {
            let packet = ipv4(src, dst, 17, id, fragment, payload);
            frames.push(Frame {
                time_us: time_us + later_us,
                bytes: ethernet(0x0800, vlan, &packet),
            });
        };
        if at % 10 == 0 {
            let whole = udp(123, 40_000, 2_000);
            send(0x2000, &whole[..1_480], 0);
            send(185, &whole[1_480..], 3);
        } else {
            send(0, &udp(123, 40_000, 440), 0);
        }
    }
    // What goes on beside it: the shop's visitors, its neighbours, and answers to those of them
    // who do ask for the time.
    for at in 0..2_400u64 {
        let time_us = at * 4_100 + random.below(3_000);
        let visitor = visitor(&mut random);
        let port = 49_152 + random.below(16_000) as u16;
        let v4 = |dst: [u8; 4], protocol: u8, payload: &[u8]| {
            ethernet(0x0800, None, &ipv4(visitor, dst, protocol, at as u16, 0x4000, payload))
        };
        let bytes = match at % 8 {
            0 | 1 => v4([203, 0, 113, 66], 6, &tcp(port, 443, 0x18, 400)),
            2 => v4([203, 0, 113, 74], 17, &udp(123, 123, 48)),
            3 => v4([203, 0, 113, 82], 17, &udp(port, 27_015, 90)),
            4 => v4([203, 0, 113, 100], 17, &udp(123, port, 48)),
            5 => v4([203, 0, 113, 140], 1, &[8, 0, 0, 0, 0, 7, 0, at as u8, 1, 2, 3, 4]),
            6 => {
                let payload = tcp(port, 443, 0x10, 200);
                let packet = ipv6(v6("2001:db8:f001::45"), v6("2001:db8:13::80"), 6, &payload);
                ethernet(0x86dd, Some(200), &packet)
            }
            _ => v4([203, 0, 113, 130], 6, &tcp(port, 22, 0x18, 60)),
        };
        frames.push(Frame { time_us, bytes });
    }
    // Once a second somebody asks who has an address; nobody is charged for that.
    for second in 0..10 {
        let request = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0];
        let time_us = second * 1_000_000 + 500;
        frames.push(Frame { time_us, bytes: ethernet(0x0806, None, &request) });
    }
    frames.sort_by_key(|frame| frame.time_us);
    frames.retain(|frame| frame.time_us < MICROSECONDS);
    frames
}

/// The start of a file: magic, version 2.4, zone, accuracy, snaplen, Ethernet.
pub(super) fn file_header() -> Vec<u8> {
    let words = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, SNAPLEN as u32, 1];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A frame as it stands in the file.
pub(super) fn record(time_us: u64, frame: &[u8]) -> Vec<u8> {
    let kept = frame.len().min(SNAPLEN);
    let (seconds, micros) = (time_us / 1_000_000, time_us % 1_000_000);
    let words = [START_SECONDS + seconds as u32, micros as u32, kept as u32, frame.len() as u32];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(&frame[..kept]);
    bytes
}

fn capture() -> Vec<u8> {
    let mut bytes = file_header();
    frames().iter().for_each(|frame| bytes.extend(record(frame.time_us, &frame.bytes)));
    bytes
}

#[test]
fn the_sample_capture_is_what_its_generator_makes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/sample/attack.pcap");
    let made = capture();
    if std::env::var_os("BLASTGATE_WRITE_FIXTURES").is_some() {
        std::fs::write(&path, &made).expect("the capture is written");
    }
    let committed = std::fs::read(&path).expect("the capture is committed");
    assert!(committed == made, "run with BLASTGATE_WRITE_FIXTURES=1 and look at the difference");
}
