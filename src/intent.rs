//! Selectors of intents: whom the words mean.

use std::collections::BTreeSet;

use crate::model::{
    Customer, CustomerId, Diagnostic, Intent, Inventory, Location, Match, Prefix, Share, Spanned,
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

/// Resolves the selectors of an intent. One that names nobody is an error.
pub fn resolve_intent(intent: &Intent, inventory: &Inventory) -> (ResolvedIntent, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut resolve = |selectors: &[Spanned<String>]| {
        let (selection, found) = resolve(selectors, inventory);
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
pub fn resolve(
    selectors: &[Spanned<String>],
    inventory: &Inventory,
) -> (Selection, Vec<Diagnostic>) {
    let mut selection = Selection::default();
    let mut problems = Vec::new();
    let mut customers = BTreeSet::new();
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
            _ => match one(word, inventory) {
                Ok(Named::Customers(found)) => customers.extend(found),
                Ok(Named::Prefix(prefix)) => selection.prefixes.push(prefix),
                Err(wrong) => problems.push(wrong.at(selector.location)),
            },
        }
    }
    selection.customers = customers.into_iter().collect();
    (selection, problems)
}

enum Named {
    Customers(Vec<CustomerId>),
    Prefix(Prefix),
}

/// Resolves one selector that is not a word of its own.
fn one(word: &str, inventory: &Inventory) -> Result<Named, words::Wrong> {
    if let Some(text) = word.strip_prefix("prefix:") {
        return words::prefix(text).map(Named::Prefix);
    }
    let by = |what: &str, value: &str, values: &dyn Fn(&Customer) -> Vec<String>| {
        let found: Vec<CustomerId> = numbered(inventory)
            .filter(|(_, customer)| values(customer).iter().any(|own| own == value))
            .map(|(id, _)| id)
            .collect();
        if !found.is_empty() {
            return Ok(Named::Customers(found));
        }
        let known: BTreeSet<String> = inventory.customers.iter().flat_map(values).collect();
        let near =
            nearest(value, known.iter().map(String::as_str)).map(|near| format!("{what}:{near}"));
        Err(nobody(word, near, &format!("no customer of the inventory has this {what}")))
    };
    if let Some(tag) = word.strip_prefix("tag:") {
        return by("tag", tag, &|customer| customer.tags.clone());
    }
    if let Some(tier) = word.strip_prefix("tier:") {
        return by("tier", tier, &|customer| customer.tier.iter().cloned().collect());
    }
    if let Some(region) = word.strip_prefix("region:") {
        return by("region", region, &|customer| customer.region.iter().cloned().collect());
    }
    if let Some((id, _)) = numbered(inventory).find(|(_, customer)| customer.id.value == word) {
        return Ok(Named::Customers(vec![id]));
    }
    if inventory.infrastructure.iter().any(|entry| entry.id.value == word) {
        let wrong = nobody(word, None, "protected traffic cannot be selected");
        return Err(words::Wrong {
            label: "this is infrastructure".to_owned(),
            help: Some("put an accept for it above the rule instead".to_owned()),
            ..wrong
        });
    }
    let ids = inventory.customers.iter().map(|customer| customer.id.value.as_str());
    let near = nearest(word, ids.chain(["all", "none", "unowned"])).map(str::to_owned);
    Err(nobody(
        word,
        near,
        "write a customer id, `tag:`, `tier:`, `region:`, `prefix:`, `unowned`, `all` or `none`",
    ))
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

fn numbered(inventory: &Inventory) -> impl Iterator<Item = (CustomerId, &Customer)> {
    inventory.customers.iter().enumerate().map(|(at, one)| (CustomerId(at as u32), one))
}
