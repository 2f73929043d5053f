//! From what was read of a route to the route.

use super::{Draft, Head, Reader};
use crate::languages::flowspec::nlri::{FLOW_LABEL, Flow};
use crate::languages::flowspec::rules::Route;
use crate::model::{Diagnostic, Family, Location, Spanned};

impl Reader<'_> {
    /// Makes the route of what was read.
    pub(super) fn finish(
        &mut self,
        draft: Draft,
        head: &Head,
        location: Location,
        comments: Vec<Spanned<String>>,
    ) -> Option<Route> {
        let (mut components, mut places) = (Vec::new(), Vec::new());
        let mut family: Option<(Family, Location)> = None;
        for part in draft.parts.values() {
            if let Some(own) = part.family {
                if let Some((other, place)) = family.filter(|(other, _)| *other != own) {
                    let problem =
                        Diagnostic::error(part.location, "a route matches IPv4 or IPv6, not both");
                    let _ = other;
                    self.tell(problem.also(place, "the other family"));
                    return None;
                }
                family = Some((own, part.location));
            }
            components.push(part.component());
            places.push(part.location);
        }
        if components.is_empty() {
            let problem = Diagnostic::error(location, "this route matches nothing in particular");
            self.tell(problem.label("no `match`").help(
                "a flow specification needs a component; one without would match every packet",
            ));
            return None;
        }
        // ExaBGP sends what has no prefix of IPv6 as IPv4.
        let family = family.map(|(family, _)| family).or(head.family).unwrap_or(Family::V4);
        let label = components.iter().position(|one| one.kind() == FLOW_LABEL);
        if family == Family::V4
            && let Some(label) = label
        {
            let problem = Diagnostic::error(places[label], "IPv4 has no flow label");
            self.tell(problem.help("name an IPv6 source or destination, or remove it"));
            return None;
        }
        if let Some(wrong) = head.family.filter(|wrong| *wrong != family) {
            let _ = wrong;
            let problem =
                Diagnostic::error(location, "the prefixes are not of the family announced");
            self.tell(problem);
            return None;
        }
        Some(Route {
            name: head.name.clone(),
            location,
            flow: Flow { family, rd: draft.rd, components },
            places,
            communities: draft.communities,
            next_hop: draft.next_hop,
            unknown: Vec::new(),
            comments,
            receivers: head.receivers.clone(),
        })
    }
}
