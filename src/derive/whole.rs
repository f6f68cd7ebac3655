//! Changes that no equality traces to anchors: a row of settings, or the answer of a subquery that is the same for every row.
//!
//! They affect all anchors, which are taken page by page, so that memory stays bounded however many there are.

use std::collections::BTreeMap;

use crate::derive::emit::Part;
use crate::derive::keys::Keys;
use crate::derive::load::{page, without_stored};
use crate::derive::net::Net;
use crate::derive::reader::Reader;
use crate::derive::rows::{Binding, Execution, Frame};
use crate::derive::view::View;
use crate::derive::walk::{Reached, reached, table_of, touches};
use crate::error::Result;
use crate::plan::Whole;
use crate::sql::evaluate::evaluate;
use crate::sql::query::Expr;
use crate::value::Value;

/// Anchors at once.
const ANCHORS_PER_PAGE: usize = 16_384;

/// What an epoch reaches of a branch.
pub(crate) struct Reach {
    /// What walks found.
    pub(crate) traced: Reached,
    /// Every anchor may have changed.
    pub(crate) is_whole: bool,
}

/// What changed rows reach of a branch; see [`reached`].
pub(crate) fn reach(view: &View<'_>, part: Part<'_>, net: &Net, anchors_max: usize) -> Result<Reach> {
    Ok(Reach { traced: reached(view, part.branch, net, anchors_max)?, is_whole: affects_all(view, part, net)? })
}

/// Visits all anchors of a branch, each once: those that are stored and those that only walks found.
pub(crate) fn visit_all(
    view: &View<'_>,
    part: Part<'_>,
    traced: &Keys,
    visit: &mut dyn FnMut(&Keys) -> Result<()>,
) -> Result<()> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let (anchors, next) = page(view, view.stored(), &part, after.as_deref(), ANCHORS_PER_PAGE)?;
        visit(&anchors)?;
        after = next;
        if after.is_none() {
            break;
        }
    }
    // Anchors that this epoch brought are not stored yet, but a walk finds them.
    visit(&without_stored(view, &part, traced)?)
}

fn affects_all(view: &View<'_>, part: Part<'_>, net: &Net) -> Result<bool> {
    for (alias, walk) in &part.branch.walks {
        let Some(whole) = &walk.whole else { continue };
        let changes = net.get(&table_of(part.branch, *alias)?).into_iter().flat_map(BTreeMap::values);
        let mut touched = false;
        for change in changes {
            touched = touches(walk, *alias, change)?;
            if touched {
                break;
            }
        }
        if touched && differs(view, part, whole)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether what a change stands for is another than before. An answer that is an error differs: the derivation will say which.
fn differs(view: &View<'_>, part: Part<'_>, whole: &Whole) -> Result<bool> {
    let Whole::Answer(expr) = whole else { return Ok(true) };
    let before = View::new(view.plan, view.stored());
    Ok(match (answer(&before, part, expr), answer(view, part, expr)) {
        (Ok(before), Ok(now)) => before != now,
        _ => true,
    })
}

fn answer(view: &View<'_>, part: Part<'_>, expr: &Expr) -> Result<Value> {
    let reader = Reader::new(view);
    let execution = Execution { reader: &reader, branch: part.branch, anchor: &[], known: None };
    let environment = vec![Binding::Unbound; part.branch.branch.aliases.len()];
    evaluate(expr, &Frame::over(&execution, &environment))
}
