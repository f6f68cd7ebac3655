//! Rows of the output plugin become images in the order of a layout.
//!
//! In: tuples as the log has them, and which stored column each of their cells fills. Out: images, which say what is not known; and whether an
//! update is one of columns that no mapping needs.

use super::Shape;
use crate::change::Image;
use crate::error::Result;
use crate::schema::TableLayout;
use crate::source::postgres::decode::message::{Cell, Old, Tuple};
use crate::source::postgres::decode::value;
use crate::source::postgres::failure::malformed;
use crate::value::Value;

/// Whether an update leaves every stored column as it was, as far as the log has both.
pub(super) fn is_unchanged(shape: &Shape, old: &Tuple<'_>, new: &Tuple<'_>) -> bool {
    let is_whole = |tuple: &Tuple<'_>| tuple.len() == shape.columns.len();
    let is_kept = |(old, new): (&Cell<'_>, &Cell<'_>)| *new == Cell::Unchanged || old == new;
    let mut cells = shape.columns.iter().zip(old.iter().zip(new));
    is_whole(old) && is_whole(new) && cells.all(|((stored, _), pair)| stored.is_none() || is_kept(pair))
}

/// Reads a row; a value that the change left alone is taken from the old row where the log has it.
pub(super) fn image(layout: &TableLayout, shape: &Shape, tuple: &Tuple<'_>, old: Option<&Tuple<'_>>) -> Result<Image> {
    if tuple.len() != shape.columns.len() {
        return Err(malformed("a row with another number of columns than its table"));
    }
    let mut values: Vec<Option<Value>> = vec![None; layout.columns.len()];
    for (index, (cell, (stored, _))) in tuple.iter().zip(&shape.columns).enumerate() {
        let Some(stored) = stored else { continue };
        let cell = match (cell, old.and_then(|old| old.get(index))) {
            (Cell::Unchanged, Some(old)) => old,
            _ => cell,
        };
        if let (Some(slot), Some(column)) = (values.get_mut(*stored), layout.columns.get(*stored)) {
            *slot = value::of_cell(cell, &column.column, &layout.name)?;
        }
    }
    Ok(imaged(values))
}

/// Reads what the log has of the row before.
pub(super) fn old_image(layout: &TableLayout, shape: &Shape, old: &Old<'_>) -> Result<Image> {
    match old {
        Old::Whole(tuple) => image(layout, shape, tuple, None),
        Old::Key(tuple) => {
            // Columns outside the identity are sent as NULL, which means nothing.
            let mut only = shape.clone();
            only.columns.iter_mut().for_each(|(stored, in_identity)| *stored = stored.filter(|_| *in_identity));
            image(layout, &only, tuple, None)
        }
    }
}

fn imaged(values: Vec<Option<Value>>) -> Image {
    if values.iter().all(Option::is_some) {
        return Image::Full(values.into_iter().flatten().collect());
    }
    Image::Partial(values.into())
}

/// The identity columns of a row.
pub(super) fn identity_of(layout: &TableLayout, row: &Image) -> Image {
    let identity: Vec<usize> = layout.identity.iter().flatten().copied().collect();
    let value = |index: usize| match row {
        Image::Full(row) => row.get(index).cloned(),
        Image::Partial(values) => values.get(index).cloned().flatten(),
    };
    imaged((0..layout.columns.len()).map(|index| identity.contains(&index).then(|| value(index)).flatten()).collect())
}
