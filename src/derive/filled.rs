//! The mark of an accumulator in the state: what is accumulated.

use crate::derive::Space;
use crate::derive::accumulate::damaged;
use crate::derive::view::View;
use crate::error::Result;
use crate::plan::{AccumulatorId, AccumulatorPlan};
use crate::value::{Value, row};

/// The key of the mark, behind all other entries: while a space is cleared, it goes last.
pub(crate) const MARK: u8 = 2;

/// What an accumulator is, and whether it can be used.
pub(crate) struct Mark {
    /// Of the plan it was filled under.
    pub(crate) meaning: u128,
    /// Members that have no value.
    pub(crate) without_value: i64,
    /// Whether all members are in it. Earlier versions marked the beginning, too.
    pub(crate) is_filled: bool,
}

impl Mark {
    /// The mark of an accumulator as it is.
    pub(crate) fn read(view: &View<'_>, id: AccumulatorId) -> Result<Option<Self>> {
        let Some(bytes) = view.get(Space::Accumulator(id), &[MARK])? else { return Ok(None) };
        let values = row::decode(&bytes)?;
        let [Value::Bytes(meaning), Value::Int(without_value), rest @ ..] = values.as_ref() else { return Err(damaged()) };
        let meaning = u128::from_be_bytes(meaning.as_ref().try_into().map_err(|_| damaged())?);
        Ok(Some(Self { meaning, without_value: *without_value, is_filled: matches!(rest, [Value::Null]) }))
    }

    /// Its bytes in the state.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let meaning = Value::Bytes(self.meaning.to_be_bytes().as_slice().into());
        let is_filled = if self.is_filled { Value::Null } else { Value::Bool(false) };
        let mut bytes = Vec::new();
        row::encode(&[meaning, Value::Int(self.without_value), is_filled], &mut bytes);
        bytes
    }

    /// Whether everything is added up that the plan means.
    pub(crate) fn is_complete(&self, accumulator: &AccumulatorPlan) -> bool {
        self.meaning == accumulator.meaning && self.is_filled
    }
}
