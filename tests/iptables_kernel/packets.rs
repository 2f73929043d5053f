//! Packets by chance, as frames that a router forwards.

use super::Dice;

/// Length of an Ethernet header.
pub(super) const ETHERNET: usize = 14;

/// One packet.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// Whether it is IPv6.
    pub(super) is_v6: bool,
    pub(super) src: u128,
    pub(super) dst: u128,
    pub(super) protocol: u8,
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) flags: u8,
    pub(super) icmp: (u8, u8),
    pub(super) length: u16,
    pub(super) dscp: u8,
    pub(super) ttl: u8,
    /// In units of 8 bytes.
    pub(super) offset: u16,
    pub(super) more: bool,
}

pub(super) const V4: [u128; 6] =
    [0x0a09_0001, 0x0a09_0002, 0x0a09_0003, 0x0a09_0011, 0x0a09_0101, 0xcb00_7105];
pub(super) const V6: [u128; 5] = [
    0x2001_0db8_0000_0000_0000_0000_0000_0001,
    0x2001_0db8_0000_0000_0000_0000_0000_0002,
    0x2001_0db8_0000_0000_0000_0000_0000_0011,
    0x2001_0db8_0001_0000_0000_0000_0000_0001,
    0x2a00_0000_0000_0000_0000_0000_0000_0001,
];

impl Packet {
    pub(super) fn random(dice: &mut Dice, fragments: bool) -> Packet {
        let is_v6 = dice.roll(3) == 0;
        let address = |dice: &mut Dice| if is_v6 { *dice.pick(&V6) } else { *dice.pick(&V4) };
        let protocol = *dice.pick(&[6, 6, 6, 17, 17, if is_v6 { 58 } else { 1 }, 132, 136, 47, 33]);
        let is_fragment = fragments && dice.roll(5) == 0;
        let kinds: [u8; 6] = if is_v6 { [1, 2, 3, 4, 128, 129] } else { [0, 3, 5, 8, 11, 13] };
        Packet {
            is_v6,
            src: address(dice),
            dst: address(dice),
            protocol,
            src_port: *dice.pick(&[53, 123, 443, 1_024, 50_000, 11_211]),
            dst_port: *dice.pick(&[22, 53, 80, 443, 8_080, 50_000]),
            flags: *dice.pick(&[0x02, 0x10, 0x12, 0x18, 0x04, 0x11, 0x00, 0x29, 0x3f, 0xc2]),
            icmp: (*dice.pick(&kinds), *dice.pick(&[0, 0, 1, 3, 4])),
            length: *dice.pick(&[100, 101, 128, 500, 501, 1_000, 1_400]),
            dscp: *dice.pick(&[0, 0, 8, 10, 46, 63]),
            ttl: *dice.pick(&[2, 3, 5, 6, 64, 128, 255]),
            offset: if is_fragment { *dice.pick(&[0, 1, 2, 3, 185]) } else { 0 },
            more: is_fragment && dice.roll(2) == 0,
        }
    }

    /// Returns the frame of a packet with this number, which is its IPv4 id or its flow label.
    pub(super) fn frame(&self, number: u16) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        let length = usize::from(self.length);
        if self.is_v6 {
            frame.extend([0x86, 0xdd]);
            let word = 6u32 << 28 | u32::from(self.dscp) << 22 | u32::from(number);
            frame.extend(word.to_be_bytes());
            frame.extend((self.length - 40).to_be_bytes());
            let is_fragment = self.offset > 0 || self.more;
            frame.extend([if is_fragment { 44 } else { self.protocol }, self.ttl]);
            frame.extend(self.src.to_be_bytes());
            frame.extend(self.dst.to_be_bytes());
            if is_fragment {
                frame.extend([self.protocol, 0]);
                frame.extend((self.offset << 3 | u16::from(self.more)).to_be_bytes());
                frame.extend([0, 0]);
                frame.extend(number.to_be_bytes());
            }
        } else {
            frame.extend([8, 0, 0x45, self.dscp << 2]);
            for word in [self.length, number, u16::from(self.more) << 13 | self.offset] {
                frame.extend(word.to_be_bytes());
            }
            frame.extend([self.ttl, self.protocol, 0, 0]);
            for address in [self.src, self.dst] {
                frame.extend((address as u32).to_be_bytes());
            }
            let words = frame[ETHERNET..].chunks(2);
            let sum: u32 = words.map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
            let sum = (sum & 0xffff) + (sum >> 16);
            let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
            frame[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
        }
        if self.offset == 0 {
            match self.protocol {
                6 | 17 | 132 | 136 | 33 => {
                    frame.extend(self.src_port.to_be_bytes());
                    frame.extend(self.dst_port.to_be_bytes());
                }
                1 | 58 => frame.extend([self.icmp.0, self.icmp.1, 0, 0]),
                _ => {}
            }
            if self.protocol == 6 {
                frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, self.flags, 16, 0, 0, 0, 0, 0]);
            }
        }
        // What follows looks like ports that rules ask for.
        let bait = [0, 80, 0, 53, 1, 187, 0, 22].into_iter().cycle();
        let rest = (ETHERNET + length).saturating_sub(frame.len());
        frame.extend(bait.take(rest));
        frame
    }
}
