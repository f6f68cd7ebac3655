//! The mark of an accumulator in the state: what is accumulated, and how far its first filling is.

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
    /// Where the filling goes on; `None`: it is complete.
    pub(crate) filled_to: Option<FilledTo>,
}

/// Behind a member row of one of the SELECTs that give the members; at its beginning if the key is empty.
#[derive(Default)]
pub(crate) struct FilledTo {
    pub(crate) body: usize,
    pub(crate) key: Vec<u8>,
}

impl Mark {
    /// The mark of an accumulator as it is.
    pub(crate) fn read(view: &View<'_>, id: AccumulatorId) -> Result<Option<Self>> {
        let Some(bytes) = view.get(Space::Accumulator(id), &[MARK])? else { return Ok(None) };
        let values = row::decode(&bytes)?;
        let [Value::Bytes(meaning), Value::Int(without_value), filled_to @ ..] = values.as_ref() else { return Err(damaged()) };
        let filled_to = match filled_to {
            [Value::Bytes(key), body @ ..] => {
                // A state of the first version has no number there: it filled from one table.
                let body = match body {
                    [Value::Int(body)] => usize::try_from(*body).map_err(|_| damaged())?,
                    _ => 0,
                };
                Some(FilledTo { body, key: key.to_vec() })
            }
            _ => None,
        };
        let meaning = u128::from_be_bytes(meaning.as_ref().try_into().map_err(|_| damaged())?);
        Ok(Some(Self { meaning, without_value: *without_value, filled_to }))
    }

    /// Its bytes in the state.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let meaning = Value::Bytes(self.meaning.to_be_bytes().as_slice().into());
        let mut values = vec![meaning, Value::Int(self.without_value)];
        match &self.filled_to {
            Some(FilledTo { body, key }) => {
                values.extend([Value::Bytes(key.as_slice().into()), Value::Int(i64::try_from(*body).unwrap_or(i64::MAX))]);
            }
            None => values.push(Value::Null),
        }
        let mut bytes = Vec::new();
        row::encode(&values, &mut bytes);
        bytes
    }

    /// Whether everything is added up that the plan means.
    pub(crate) fn is_complete(&self, accumulator: &AccumulatorPlan) -> bool {
        self.meaning == accumulator.meaning && self.filled_to.is_none()
    }
}
