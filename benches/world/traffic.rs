//! An hour of packets, in order of time: customers by Zipf, a tenth IPv6, and 20 attacks.

use super::{Address, Block, Dice, HOUR_NS, POPS, START_NS, busy, busy_of};

/// The most bytes of a frame that a capture keeps.
pub(crate) const SNAP: usize = 96;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const GRE: u8 = 47;
const ESP: u8 = 50;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// The bit of "more fragments" in the IPv4 header.
const MORE: u16 = 0x2000;

/// A packet.
#[derive(Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) time_ns: i64,
    pub(crate) pop: usize,
    pub(crate) src: Address,
    pub(crate) dst: Address,
    pub(crate) protocol: u8,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) tcp_flags: u8,
    pub(crate) ttl: u8,
    /// Of the IP packet.
    pub(crate) length: u16,
    /// Flags and offset, as in the IPv4 header; IPv6 is never fragmented here.
    pub(crate) fragment: u16,
}

impl Packet {
    /// Writes its Ethernet frame, and returns how much of it was kept.
    pub(crate) fn frame(&self, frame: &mut [u8; SNAP]) -> usize {
        *frame = [0; SNAP];
        frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        let upper = if self.src.is_v6 {
            frame[12..14].copy_from_slice(&[0x86, 0xdd]);
            frame[14] = 0x60;
            frame[18..20].copy_from_slice(&(self.length - 40).to_be_bytes());
            frame[20] = self.protocol;
            frame[21] = self.ttl;
            frame[22..38].copy_from_slice(&self.src.bits.to_be_bytes());
            frame[38..54].copy_from_slice(&self.dst.bits.to_be_bytes());
            &mut frame[54..]
        } else {
            frame[12..14].copy_from_slice(&[8, 0]);
            frame[14] = 0x45;
            frame[16..18].copy_from_slice(&self.length.to_be_bytes());
            frame[20..22].copy_from_slice(&self.fragment.to_be_bytes());
            frame[22] = self.ttl;
            frame[23] = self.protocol;
            frame[26..30].copy_from_slice(&(self.src.bits as u32).to_be_bytes());
            frame[30..34].copy_from_slice(&(self.dst.bits as u32).to_be_bytes());
            &mut frame[34..]
        };
        if self.has_ports() {
            upper[..2].copy_from_slice(&self.src_port.to_be_bytes());
            upper[2..4].copy_from_slice(&self.dst_port.to_be_bytes());
            if self.protocol == TCP {
                upper[12] = 0x50;
                upper[13] = self.tcp_flags;
            } else {
                let payload = self.length - if self.src.is_v6 { 40 } else { 20 };
                upper[4..6].copy_from_slice(&payload.to_be_bytes());
            }
        } else if self.is_first() {
            match self.protocol {
                ICMP => upper[0] = 8,
                ICMPV6 => upper[0] = 128,
                GRE => upper[2..4].copy_from_slice(&[8, 0]),
                _ => {}
            }
        }
        self.on_wire().min(SNAP)
    }

    /// Returns the length of its frame.
    pub(crate) fn on_wire(&self) -> usize {
        14 + usize::from(self.length)
    }

    /// Returns whether it carries ports.
    pub(crate) fn has_ports(&self) -> bool {
        matches!(self.protocol, TCP | UDP) && self.is_first()
    }

    fn is_first(&self) -> bool {
        self.fragment & 0x1fff == 0
    }
}

//------------ Attacks ---------------------------------------------------------

/// What an attack is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vector {
    /// Answers of somebody's servers, of this source port and length.
    Reflection(u16, u16),
    SynFlood,
    AckFlood,
    Fragments,
    Gre,
    Carpet,
    Ping,
}

/// One attack.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) vector: Vector,
    pub(crate) block: Block,
    pub(crate) target: Address,
    first_minute: usize,
    minutes: usize,
    /// How many PoPs it comes in by, and from which on.
    pops: (usize, usize),
}

/// Returns the attacks. The first is DNS amplification on an IPv4 address.
pub(crate) fn attacks(blocks: &[Block]) -> Vec<Attack> {
    let mut dice = Dice::new(2);
    let vectors = [
        Vector::Reflection(53, 1_400),
        Vector::SynFlood,
        Vector::Reflection(123, 468),
        Vector::Fragments,
        Vector::Gre,
        Vector::AckFlood,
        Vector::Reflection(389, 1_428),
        Vector::Carpet,
        Vector::Ping,
        Vector::Reflection(11_211, 1_428),
    ];
    let attack = |at: usize| {
        let is_v6 = at == 11 || at == 16;
        let block = *busy_of(blocks, is_v6, dice.roll(blocks.len() as u64 / 5) as usize);
        Attack {
            vector: vectors[at % vectors.len()],
            block,
            target: block.host(&mut dice),
            first_minute: at * 3,
            minutes: 4 + dice.roll(10) as usize,
            pops: (dice.roll(POPS as u64) as usize, 1 + dice.roll(POPS as u64) as usize),
        }
    };
    (0..20).map(attack).collect()
}

//------------ Traffic ---------------------------------------------------------

/// Packets of one connection look alike.
#[derive(Clone, Copy)]
struct Flow {
    pop: usize,
    src: Address,
    dst: Address,
    protocol: u8,
    src_port: u16,
    dst_port: u16,
    ttl: u8,
    is_egress: bool,
}

/// Hands out the packets.
pub(crate) struct Traffic<'a> {
    blocks: &'a [Block],
    attacks: Vec<Attack>,
    by_minute: Vec<Vec<usize>>,
    dice: Dice,
    flows: Vec<Flow>,
    at: u64,
    count: u64,
}

/// Connections that are open at a time.
const OPEN: usize = 1 << 16;

impl Traffic<'_> {
    pub(crate) fn new(blocks: &[Block], count: u64) -> Traffic<'_> {
        let mut dice = Dice::new(3);
        let attacks = attacks(blocks);
        let is_on = |attack: &Attack, minute: usize| {
            (attack.first_minute..attack.first_minute + attack.minutes).contains(&minute)
        };
        let by_minute = (0..60)
            .map(|minute| {
                (0..attacks.len()).filter(|at| is_on(&attacks[*at], minute)).collect::<Vec<_>>()
            })
            .collect();
        let flows = (0..OPEN).map(|_| flow(&mut dice, blocks)).collect();
        Traffic { blocks, attacks, by_minute, dice, flows, at: 0, count }
    }
}

impl Iterator for Traffic<'_> {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        if self.at == self.count {
            return None;
        }
        let since = (u128::from(self.at) * HOUR_NS as u128 / u128::from(self.count)) as i64;
        self.at += 1;
        let time_ns = START_NS + since;
        let dice = &mut self.dice;
        let active = &self.by_minute[(since / (HOUR_NS / 60)) as usize];
        if !active.is_empty() && dice.chance(30) {
            let attack = &self.attacks[active[dice.roll(active.len() as u64) as usize]];
            return Some(attack_packet(dice, attack, time_ns));
        }
        let slot = dice.roll(OPEN as u64) as usize;
        if dice.chance(10) {
            self.flows[slot] = flow(dice, self.blocks);
        }
        Some(flow_packet(dice, &self.flows[slot], time_ns))
    }
}

/// Returns an address of the world outside, and the PoP that its packets come in by.
fn client(dice: &mut Dice, is_v6: bool) -> (Address, usize) {
    let client = dice.roll(1 << 20);
    let hash = client.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let bits = match is_v6 {
        true => 0x2a00u128 << 112 | u128::from(hash) << 64 | 1,
        false => 0x4000_0000 + u128::from(hash % 0x6000_0000),
    };
    let pop = (hash % POPS as u64).min(hash / 31 % POPS as u64);
    (Address { is_v6, bits }, pop as usize)
}

fn high_port(dice: &mut Dice) -> u16 {
    (1_024 + dice.roll(64_511)) as u16
}

fn flow(dice: &mut Dice, blocks: &[Block]) -> Flow {
    let rank = dice.zipf(blocks.len());
    let block = busy(blocks, rank);
    let dst = block.host(dice);
    let (src, pop) = client(dice, dst.is_v6);
    let high = high_port(dice);
    let (protocol, src_port, dst_port) = match dice.roll(100) {
        0..50 => (TCP, high, 443),
        50..60 => (TCP, high, 80),
        60..76 => (UDP, high, 443),
        76..80 => (UDP, high, 53),
        80..83 => (UDP, 53, high),
        83..86 => (TCP, high, 22),
        86..88 => (TCP, high, 25),
        88..90 => (UDP, 123, 123),
        90..94 => (TCP, high, high_port(dice)),
        94..97 => (UDP, high, 27_015),
        97..99 if dst.is_v6 => (ICMPV6, 0, 0),
        97..99 => (ICMP, 0, 0),
        _ => (ESP, 0, 0),
    };
    let ttl = [44, 52, 57, 60, 114, 121][dice.roll(6) as usize];
    let is_egress = dice.chance(35);
    if is_egress {
        let (src, dst, src_port, dst_port) = (dst, src, dst_port, src_port);
        return Flow { pop, src, dst, protocol, src_port, dst_port, ttl: 63, is_egress };
    }
    Flow { pop, src, dst, protocol, src_port, dst_port, ttl, is_egress }
}

fn flow_packet(dice: &mut Dice, flow: &Flow, time_ns: i64) -> Packet {
    let least = if flow.src.is_v6 { 60 } else { 40 };
    let is_large = dice.chance(if flow.is_egress { 60 } else { 15 });
    let length = match is_large {
        true => 1_500 - dice.roll(100),
        false => least + 12 + dice.roll(200),
    };
    let tcp_flags = match dice.roll(100) {
        _ if flow.protocol != TCP => 0,
        0..3 => SYN,
        3..5 => ACK | 1,
        5..35 => ACK | 8,
        _ => ACK,
    };
    Packet {
        time_ns,
        pop: flow.pop,
        src: flow.src,
        dst: flow.dst,
        protocol: flow.protocol,
        src_port: flow.src_port,
        dst_port: flow.dst_port,
        tcp_flags,
        ttl: flow.ttl,
        length: length as u16,
        fragment: 0,
    }
}

fn attack_packet(dice: &mut Dice, attack: &Attack, time_ns: i64) -> Packet {
    let is_v6 = attack.target.is_v6;
    let spoofed = match is_v6 {
        true => 0x2a00u128 << 112 | u128::from(dice.roll(1 << 32)) << 64 | 1,
        false => 0x0100_0000 + u128::from(dice.roll(0xdf00_0000)),
    };
    let pop = (attack.pops.0 + dice.roll(attack.pops.1 as u64) as usize) % POPS;
    let mut packet = Packet {
        time_ns,
        pop,
        src: Address { is_v6, bits: spoofed },
        dst: attack.target,
        protocol: UDP,
        src_port: 0,
        dst_port: 0,
        tcp_flags: 0,
        ttl: 40 + dice.roll(20) as u8,
        length: 60,
        fragment: 0,
    };
    match attack.vector {
        Vector::Reflection(port, length) => {
            // A few thousand servers.
            packet.src = client(dice, is_v6).0;
            packet.src.bits &= !0x3ff;
            packet.src_port = port;
            packet.dst_port = high_port(dice);
            packet.length = length + dice.roll(40) as u16;
            if !is_v6 && length > 1_000 && dice.chance(20) {
                packet.fragment = 185;
                (packet.src_port, packet.dst_port) = (0, 0);
            } else if !is_v6 && length > 1_000 && dice.chance(25) {
                packet.fragment = MORE;
            }
        }
        Vector::SynFlood => {
            packet.protocol = TCP;
            (packet.src_port, packet.dst_port) = (high_port(dice), 443);
            packet.tcp_flags = SYN;
        }
        Vector::AckFlood => {
            packet.protocol = TCP;
            (packet.src_port, packet.dst_port) = (high_port(dice), high_port(dice));
            packet.tcp_flags = ACK;
        }
        Vector::Fragments => {
            packet.fragment = (185 + dice.roll(400)) as u16;
            packet.length = 1_420;
        }
        Vector::Gre => {
            packet.protocol = GRE;
            packet.length = 532;
        }
        Vector::Carpet => {
            let host = dice.roll(1 << (32 - attack.block.length));
            packet.dst.bits = attack.block.first.bits + u128::from(host);
            (packet.src_port, packet.dst_port) = (high_port(dice), high_port(dice));
            packet.length = (100 + dice.roll(1_000)) as u16;
        }
        Vector::Ping => {
            packet.protocol = ICMP;
            packet.length = 1_052;
        }
    }
    packet
}
