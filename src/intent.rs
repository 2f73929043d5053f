//! Selectors of intents: whom the words mean.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use crate::model::{
    CustomerId, Diagnostic, Intent, Inventory, Location, Match, Prefix, Share, Spanned,
};
use crate::words;
use crate::yaml::nearest;

/// Whom a list of selectors means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The customers named, sorted.
    pub customers: Vec<CustomerId>,
    /// The prefixes named.
    pub prefixes: Vec<Prefix>,
    /// Whether traffic that is nobody's is meant.
    pub unowned: bool,
    /// Whether everybody is meant: every customer, and traffic that is nobody's.
    pub all: bool,
    /// The selectors as written.
    pub words: Vec<String>,
}

/// An intent whose selectors are resolved.
#[derive(Clone, Debug)]
pub struct ResolvedIntent {
    /// Whom the rule defends.
    pub target: Selection,
    /// Who may lose traffic by it.
    pub may_affect: Selection,
    /// Whose traffic it may cover.
    pub may_reach: Selection,
    /// What anyone else may lose.
    pub max_collateral: Share,
    /// What each of `may_affect` may lose.
    pub max_target_loss: Option<Share>,
    /// The least share of the attack that must be stopped.
    pub must_stop: Option<Spanned<Share>>,
    /// Which of the attack `must_stop` is about.
    pub attack_match: Option<Match>,
    /// Where the intent is written.
    pub location: Location,
}

/// Resolves the selectors of one intent. To resolve many, make [`Selectors`] once.
pub fn resolve_intent(intent: &Intent, inventory: &Inventory) -> (ResolvedIntent, Vec<Diagnostic>) {
    Selectors::new(inventory).resolve_intent(intent)
}

/// Resolves one list of selectors.
pub fn resolve(
    selectors: &[Spanned<String>],
    inventory: &Inventory,
) -> (Selection, Vec<Diagnostic>) {
    Selectors::new(inventory).resolve(selectors)
}

/// All that selectors can name in an inventory, looked up instead of searched: a large rule set
/// over a large inventory would be searched for minutes.
pub struct Selectors<'i> {
    inventory: &'i Inventory,
    /// Whether every name is taken to mean somebody, as nobody knows better.
    any_name: bool,
    ids: HashMap<&'i str, CustomerId, FixedState>,
    tags: Groups<'i>,
    tiers: Groups<'i>,
    regions: Groups<'i>,
}

/// The customers, sorted, by what they have in common.
type Groups<'i> = BTreeMap<&'i str, Vec<CustomerId>>;

impl<'i> Selectors<'i> {
    /// Makes the index of an inventory.
    pub fn new(inventory: &'i Inventory) -> Selectors<'i> {
        let mut ids = HashMap::default();
        let (mut tags, mut tiers, mut regions) = (Groups::new(), Groups::new(), Groups::new());
        for (at, customer) in inventory.customers.iter().enumerate() {
            let id = CustomerId(at as u32);
            ids.entry(customer.id.value.as_str()).or_insert(id);
            for tag in &customer.tags {
                tags.entry(tag.as_str()).or_default().push(id);
            }
            for (groups, word) in [(&mut tiers, &customer.tier), (&mut regions, &customer.region)] {
                if let Some(word) = word {
                    groups.entry(word.as_str()).or_default().push(id);
                }
            }
        }
        Selectors { inventory, any_name: false, ids, tags, tiers, regions }
    }

    /// Takes every name to mean somebody, nobody knows whom: for where there is no inventory.
    #[must_use]
    pub fn any_name(self) -> Selectors<'i> {
        Selectors { any_name: true, ..self }
    }

    /// Resolves the selectors of an intent. One that names nobody is an error.
    pub fn resolve_intent(&self, intent: &Intent) -> (ResolvedIntent, Vec<Diagnostic>) {
        let mut problems = Vec::new();
        let mut resolve = |selectors: &[Spanned<String>]| {
            let (selection, found) = self.resolve(selectors);
            problems.extend(found);
            selection
        };
        let target = resolve(&intent.target);
        let may_affect = match &intent.may_affect {
            Some(selectors) => resolve(selectors),
            None => target.clone(),
        };
        let may_reach = match &intent.may_reach {
            Some(selectors) => resolve(selectors),
            None => may_affect.clone(),
        };
        let resolved = ResolvedIntent {
            target,
            may_affect,
            may_reach,
            max_collateral: intent.max_collateral,
            max_target_loss: intent.max_target_loss,
            must_stop: intent.must_stop.clone(),
            attack_match: intent.attack_match.clone(),
            location: intent.location,
        };
        (resolved, problems)
    }

    /// Resolves a list of selectors.
    pub fn resolve(&self, selectors: &[Spanned<String>]) -> (Selection, Vec<Diagnostic>) {
        let mut selection = Selection::default();
        let mut problems = Vec::new();
        for selector in selectors {
            let word = selector.value.as_str();
            selection.words.push(word.to_owned());
            match word {
                "all" => selection.all = true,
                "unowned" => selection.unowned = true,
                "none" if selectors.len() == 1 => {}
                "none" => problems.push(
                    Diagnostic::error(selector.location, "`none` stands alone")
                        .label("with others it means nothing")
                        .help("remove `none`, or the others"),
                ),
                _ => match self.one(word) {
                    Ok(Named::Customer(id)) => selection.customers.push(id),
                    Ok(Named::Customers(found)) => selection.customers.extend(found),
                    Ok(Named::Prefix(prefix)) => selection.prefixes.push(prefix),
                    Err(wrong) => problems.push(wrong.at(selector.location)),
                },
            }
        }
        selection.customers.sort_unstable();
        selection.customers.dedup();
        selection.prefixes.sort_unstable();
        selection.prefixes.dedup();
        (selection, problems)
    }

    /// Resolves one selector that is not a word of its own.
    fn one(&self, word: &str) -> Result<Named<'_>, words::Wrong> {
        if let Some(text) = word.strip_prefix("prefix:") {
            return words::prefix(text).map(Named::Prefix);
        }
        if self.any_name {
            return Ok(Named::Customers(&[]));
        }
        let groups = [("tag", &self.tags), ("tier", &self.tiers), ("region", &self.regions)];
        for (what, groups) in groups {
            let Some(value) = word.strip_prefix(what).and_then(|rest| rest.strip_prefix(':'))
            else {
                continue;
            };
            if let Some(customers) = groups.get(value) {
                return Ok(Named::Customers(customers));
            }
            let near = nearest(value, groups.keys().copied()).map(|near| format!("{what}:{near}"));
            let help = format!("no customer of the inventory has this {what}");
            return Err(nobody(word, near, &help));
        }
        if let Some(id) = self.ids.get(word) {
            return Ok(Named::Customer(*id));
        }
        if self.inventory.infrastructure.iter().any(|entry| entry.id.value == word) {
            return Err(words::Wrong {
                label: "infrastructure: protected traffic cannot be selected".to_owned(),
                ..nobody(word, None, "put an accept for it above the rule instead")
            });
        }
        // A bare word may be a tag, a tier or a region.
        let group = groups.iter().find(|(_, groups)| groups.contains_key(word));
        let ids = self.inventory.customers.iter().map(|customer| customer.id.value.as_str());
        let near = match group {
            Some((what, _)) => Some(format!("{what}:{word}")),
            None => nearest(word, ids.chain(["all", "none", "unowned"])).map(str::to_owned),
        };
        Err(nobody(
            word,
            near,
            "write a customer id, `tag:`, `tier:`, `region:`, `prefix:`, `unowned`, `all` or `none`",
        ))
    }
}

enum Named<'s> {
    Customer(CustomerId),
    Customers(&'s [CustomerId]),
    Prefix(Prefix),
}

fn nobody(word: &str, near: Option<String>, help: &str) -> words::Wrong {
    words::Wrong {
        message: format!("`{word}` names nobody"),
        label: "not in the inventory".to_owned(),
        help: Some(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => help.to_owned(),
        }),
    }
}
