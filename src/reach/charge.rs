//! From packets to those whom they are charged to: the owners of both ends, as the intent of the
//! rule that does the harm has it (interface, section 6).
//!
//! A packet within the intent's `may_reach` is charged to those of its ends that belong to it; any
//! other to the owner of each end, and to `(unowned)` if neither has one. Who stands at the
//! destination, and who sends to an address of nobody's, bears the loss; whoever else sends the
//! packet is reached, but no one asks whether that was meant: the receiver's answer counts.

use super::land::{Land, Ranges, Split, between};
use super::like::{one, packets_to};
use super::protected::Protected;
use super::rules::{Both, Region, at, meet};
use super::search::{Answer, Budget, Entry, Question, solve};
use super::space::{Header, HeaderSet, Key};
use super::walk::reach;
use super::{Reached, Reaching};
use crate::attribution::{Party, Within};
use crate::inventory::customers::{End, Owner};
use crate::judge::Judge;
use crate::model::{Family, Layers, Term};

/// Charges the packets of one region after another.
pub(super) struct Charge<'s, 'a> {
    pub(super) both: &'s Both<'a>,
    pub(super) land: Land<'a>,
    pub(super) protected: &'s Protected,
    pub(super) budget: Budget,
    pub(super) reached: Reached,
    /// Whether every owner of addresses of a family has a witness.
    pub(super) all_reached: [bool; 2],
}

const REACHED: Reaching = Reaching { outside: false, beyond: false };
const OUTSIDE: Reaching = Reaching { outside: true, beyond: false };
const BEYOND: Reaching = Reaching { outside: true, beyond: true };

/// One part of a region, and its addresses by what they are to an intent.
struct Piece {
    set: HeaderSet,
    /// By `may_reach`.
    dst: Split,
    src: Split,
}

impl Piece {
    fn between(&self, dst: Option<&Ranges>, src: Option<&Ranges>) -> Option<HeaderSet> {
        between(&self.set, dst, src)
    }
}

impl Charge<'_, '_> {
    /// Charges the newly harmed packets of a rule.
    pub(super) fn add(
        &mut self,
        rule: Option<u32>,
        judge: &Judge,
        region: &mut Region<'_>,
        family: Family,
    ) {
        let question = &mut region.question;
        let domain = std::mem::take(&mut question.domain);
        if !region.is_exact {
            self.reached.undecided.insert(rule);
        }
        let pieces = self.pieces(&domain, &judge.may_reach, family);
        self.owners(rule, judge, question, &pieces, family);
        self.nobody(rule, judge, question, &pieces, family);
        self.homeless(rule, judge, question, &pieces, family);
        self.protected(rule, question, &domain, family);
        question.domain = domain;
    }

    /// Returns those to whom packets outside a former intent are charged.
    pub(super) fn beyond(
        &mut self,
        region: &mut Region<'_>,
        within: &Within,
        family: Family,
    ) -> Vec<(Party, Header)> {
        let question = &mut region.question;
        let domain = std::mem::take(&mut question.domain);
        let pieces = self.pieces(&domain, within, family);
        let mut found = self.ask(None, question, beyond_takers(&pieces), Key::Dst, family);
        let egress = self.beyond_egress(&pieces, family);
        found.extend(self.ask(None, question, egress, Key::Src, family));
        let mut parties: Vec<(Party, Header)> =
            found.into_iter().map(|(owner, header)| (self.land.party(owner), header)).collect();
        if !within.has_unowned()
            && let Some(header) = self.unowned(None, question, &pieces, within.all, family)
        {
            parties.push((Party::Unowned, header));
        }
        question.domain = domain;
        parties
    }

    fn pieces(&mut self, domain: &[HeaderSet], within: &Within, family: Family) -> Vec<Piece> {
        let one = |set: &HeaderSet| Piece {
            dst: self.land.split(family, set.addresses(Key::Dst), within),
            src: self.land.split(family, set.addresses(Key::Src), within),
            set: set.clone(),
        };
        domain.iter().map(one).collect()
    }

    //-------- Owners

    fn owners(
        &mut self,
        rule: Option<u32>,
        judge: &Judge,
        question: &mut Question<'_>,
        pieces: &[Piece],
        family: Family,
    ) {
        // Everyone who is charged.
        let inside = |key: Key| {
            pieces.iter().filter_map(move |piece| match key {
                Key::Dst => piece.between(Some(&piece.dst.inside), None),
                Key::Src => piece.between(None, Some(&piece.src.inside)),
            })
        };
        let others = beyond_takers(pieces);
        let takers = inside(Key::Dst).chain(others.iter().cloned()).collect();
        self.walk(rule, question, takers, Key::Dst, family, REACHED);
        let senders = inside(Key::Src).chain(others.iter().cloned()).collect();
        self.senders(rule, question, senders, family);
        // Those of them that `may_affect` does not mean.
        if judge.may_affect != judge.may_reach && !judge.may_affect.all {
            let (takers, egress) = self.outside(&judge.may_affect, pieces, family);
            self.walk(rule, question, takers, Key::Dst, family, OUTSIDE);
            self.walk(rule, question, egress, Key::Src, family, OUTSIDE);
        }
        self.walk(rule, question, others, Key::Dst, family, BEYOND);
        let egress = self.beyond_egress(pieces, family);
        self.walk(rule, question, egress, Key::Src, family, BEYOND);
    }

    /// Finds a packet for everyone who sends what is harmed, unless one is known already: most
    /// rules take packets from anywhere.
    fn senders(
        &mut self,
        rule: Option<u32>,
        question: &mut Question<'_>,
        domain: Vec<HeaderSet>,
        family: Family,
    ) {
        if self.all_reached[at(family)] {
            return;
        }
        for (owner, header) in self.ask(rule, question, domain, Key::Src, family) {
            let party = self.land.party(owner);
            self.reached.witness(rule, party, REACHED, || self.both.packet(&header));
        }
        // Counting them is work, and pays only once there may be none left.
        let owners = &self.land.owners[at(family)];
        if self.reached.witnesses.len() >= owners.len() {
            let known = &self.reached.witnesses;
            self.all_reached[at(family)] =
                owners.iter().all(|owner| known.contains_key(&self.land.party(*owner)));
        }
    }

    /// Returns the packets outside of `may_affect` by the receivers who are charged with them,
    /// and those to nobody by the senders who are.
    fn outside(
        &mut self,
        affect: &Within,
        pieces: &[Piece],
        family: Family,
    ) -> (Vec<HeaderSet>, Vec<HeaderSet>) {
        let (mut takers, mut egress) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut cut = |ranges: &Ranges| self.land.split(family, ranges, affect).outside;
            let dst = [cut(&piece.dst.inside), cut(&piece.dst.outside)];
            let src = [cut(&piece.src.inside), cut(&piece.src.outside)];
            let any = |parts: &[Ranges; 2]| {
                let mut ranges: Ranges = parts.concat();
                ranges.sort_unstable();
                ranges
            };
            let nobodys = |ranges: &Ranges| self.land.nobodys(family, ranges);
            takers.extend(piece.between(Some(&dst[0]), Some(&any(&src))));
            takers.extend(piece.between(Some(&dst[1]), Some(&src[1])));
            egress.extend(piece.between(Some(&nobodys(&any(&dst))), Some(&src[0])));
            egress.extend(piece.between(Some(&nobodys(&dst[1])), Some(&src[1])));
        }
        (takers, egress)
    }

    fn beyond_egress(&self, pieces: &[Piece], family: Family) -> Vec<HeaderSet> {
        let to_nobody = |piece: &Piece| {
            let dst = self.land.nobodys(family, &piece.dst.outside);
            piece.between(Some(&dst), Some(&piece.src.outside))
        };
        pieces.iter().filter_map(to_nobody).collect()
    }

    fn walk(
        &mut self,
        rule: Option<u32>,
        question: &mut Question<'_>,
        domain: Vec<HeaderSet>,
        key: Key,
        family: Family,
        reaching: Reaching,
    ) {
        for (owner, header) in self.ask(rule, question, domain, key, family) {
            let party = self.land.party(owner);
            self.reached.add(rule, party, reaching, || self.both.packet(&header));
        }
    }

    fn ask(
        &mut self,
        rule: Option<u32>,
        question: &mut Question<'_>,
        domain: Vec<HeaderSet>,
        key: Key,
        family: Family,
    ) -> Vec<(u32, Header)> {
        if domain.is_empty() {
            return Vec::new();
        }
        question.domain = domain;
        let ground = &mut self.land.grounds[at(family)];
        let reached = reach(question, key, ground, &mut self.budget);
        if reached.bounded {
            self.reached.undecided.insert(rule);
        }
        reached.owners
    }

    /// Returns a packet of a domain that the question says yes to.
    fn find(
        &mut self,
        rule: Option<u32>,
        question: &mut Question<'_>,
        domain: Vec<HeaderSet>,
    ) -> Option<Header> {
        if domain.is_empty() {
            return None;
        }
        question.domain = domain;
        match solve(question, &mut self.budget) {
            Answer::Found(header) => Some(header),
            Answer::Empty => None,
            Answer::Bounded => {
                self.reached.undecided.insert(rule);
                None
            }
        }
    }

    //-------- Nobody

    fn nobody(
        &mut self,
        rule: Option<u32>,
        judge: &Judge,
        question: &mut Question<'_>,
        pieces: &[Piece],
        family: Family,
    ) {
        let beyond = !judge.may_reach.has_unowned();
        let flags = Reaching { outside: beyond || !judge.may_affect.has_unowned(), beyond };
        if let Some(header) = self.unowned(rule, question, pieces, judge.may_reach.all, family) {
            let packet = || self.both.packet(&header);
            self.reached.add(rule, Party::Unowned, flags, packet);
        }
        // Nobody's addresses that the intent names by prefix are charged whoever is at the other
        // end.
        if judge.may_reach.all || !judge.may_reach.has_prefixes() {
            return;
        }
        let named = |piece: &Piece| {
            let dst = self.land.nobodys(family, &piece.dst.inside);
            let src = self.land.nobodys(family, &piece.src.inside);
            [piece.between(Some(&dst), None), piece.between(None, Some(&src))]
        };
        let domain = pieces.iter().flat_map(named).flatten().collect();
        if let Some(header) = self.find(rule, question, domain) {
            let packet = || self.both.packet(&header);
            self.reached.add(rule, Party::Unowned, REACHED, packet);
        }
    }

    /// Returns a packet without an owner at either end, of no protected service, and that the
    /// intent does not name by prefix.
    fn unowned(
        &mut self,
        rule: Option<u32>,
        question: &mut Question<'_>,
        pieces: &[Piece],
        is_all: bool,
        family: Family,
    ) -> Option<Header> {
        // Whoever means everybody names nobody by prefix.
        let nobodys = |split: &Split| match is_all {
            true => self.land.nobodys(family, &split.inside),
            false => self.land.nobodys(family, &split.outside),
        };
        let unnamed =
            |piece: &Piece| piece.between(Some(&nobodys(&piece.dst)), Some(&nobodys(&piece.src)));
        let domain: Vec<HeaderSet> = pieces.iter().filter_map(unnamed).collect();
        if domain.is_empty() {
            return None;
        }
        let services = self.protected.all(family).map(|set| Entry { set, answer: false });
        let entries = services.chain(question.entries.iter().copied()).collect();
        let mut apart = Question { domain: Vec::new(), entries, default: question.default };
        self.find(rule, &mut apart, domain)
    }

    /// Customers without addresses are reached where nobody's addresses are: any of them may be
    /// where they are served from.
    fn homeless(
        &mut self,
        rule: Option<u32>,
        judge: &Judge,
        question: &mut Question<'_>,
        pieces: &[Piece],
        family: Family,
    ) {
        if self.land.homeless.is_empty() {
            return;
        }
        let is_free = |end: &End| end.owner == Owner::Nobody && end.infrastructure.is_empty();
        let free = |piece: &Piece| {
            let (dst, src) = match judge.may_reach.all {
                true => (&piece.dst.inside, None),
                false => (&piece.dst.outside, Some(&piece.src.outside)),
            };
            let dst = self.land.cut(family, dst, is_free).inside;
            piece.between(Some(&dst), src)
        };
        let domain = pieces.iter().filter_map(free).collect();
        let Some(header) = self.find(rule, question, domain) else { return };
        for id in self.land.homeless.clone() {
            let flags = Reaching {
                outside: !judge.may_affect.has_customer(id),
                beyond: !judge.may_reach.has_customer(id),
            };
            let packet = || self.both.packet(&header);
            self.reached.add(rule, Party::Customer(id), flags, packet);
        }
    }

    //-------- Protected

    fn protected(
        &mut self,
        rule: Option<u32>,
        question: &mut Question<'_>,
        domain: &[HeaderSet],
        family: Family,
    ) {
        let protected = self.protected;
        if protected.is_near(domain, family) {
            for entry in &protected.entries {
                let domain_of = |sets: &[HeaderSet]| meet(domain, sets);
                let all = domain_of(&entry.packets[at(family)]);
                let Some(header) = self.find(rule, question, all) else { continue };
                let party = Party::Infrastructure(entry.id);
                let packet = || self.both.packet(&header);
                self.reached.add(rule, party, REACHED, packet);
                let due = domain_of(&entry.due[at(family)]);
                if let Some(header) = self.find(rule, question, due) {
                    let packet = self.both.packet(&header);
                    self.reached.protected.entry((rule, entry.id)).or_insert(packet);
                }
            }
        }
        let services = meet(domain, &protected.control_plane[at(family)]);
        if services.is_empty() {
            return;
        }
        let listed = protected.listed(family).map(|set| Entry { set, answer: false });
        let entries = listed.chain(question.entries.iter().copied()).collect();
        let mut apart = Question { domain: Vec::new(), entries, default: question.default };
        let Some(header) = self.find(rule, &mut apart, services) else { return };
        let packet = || self.both.packet(&header);
        self.reached.add(rule, Party::ControlPlane, REACHED, packet);
        let unlisted = meet(domain, &protected.unlisted[at(family)]);
        if let Some(header) = self.find(rule, &mut apart, unlisted)
            && self.takes_all(rule, &header)
        {
            let packet = self.both.packet(&header);
            self.reached.control_plane.entry(rule).or_insert(packet);
        }
    }

    /// Returns whether a rule spares no packet like this one, wherever it comes from: a rule about
    /// some sources (addresses that cannot be true, say) is not about routers.
    fn takes_all(&mut self, rule: Option<u32>, header: &Header) -> bool {
        let mut terms = vec![Term::Protocol(one(header.protocol.into()))];
        if header.to_packet(&self.both.pops).header.layers.has(Layers::PORTS) {
            terms.push(Term::SrcPort(one(header.src_port.into())));
            terms.push(Term::DstPort(one(header.dst_port.into())));
        }
        let same = packets_to(header, terms, &self.both.pops);
        let harm = self.both.harm(rule.map(|rule| rule as usize));
        !self.both.spares(same, harm, &mut self.budget)
    }
}

/// Returns the packets with no end in the intent.
fn beyond_takers(pieces: &[Piece]) -> Vec<HeaderSet> {
    let beyond = |piece: &Piece| piece.between(Some(&piece.dst.outside), Some(&piece.src.outside));
    pieces.iter().filter_map(beyond).collect()
}
