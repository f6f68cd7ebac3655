//! Cuts a difference down: statement parts, states, rows and subexpressions go while the two sides still differ.

use std::fmt::Write as _;

use super::Dialect;
use super::engine::{Answer, Engine, Outcome};
use super::statement::Statement;
use super::world::{State, World};

/// So many candidates are tried in all.
const TRIES_MAX: usize = 400;

/// The smallest case found, as text: tables, rows, statement and difference.
pub fn shrink(dialect: &dyn Dialect, engine: &mut Engine<'_>, world: &World, statement: Statement) -> String {
    let (mut statement, mut states) = (statement, world.states.clone());
    let mut tries = 0;
    let Some(mut shown) = differs(dialect, engine, &statement, &states) else {
        return "the difference does not come again over the same rows".into();
    };
    // One state alone is the simplest case: a load.
    for state in world.states.clone() {
        let alone = vec![state];
        if let Some(difference) = differs(dialect, engine, &statement, &alone) {
            (states, shown) = (alone, difference);
            break;
        }
    }
    loop {
        let mut is_smaller = false;
        for candidate in statement.smaller() {
            tries += 1;
            if let Some(difference) = differs(dialect, engine, &candidate, &states) {
                (statement, shown, is_smaller) = (candidate, difference, true);
                break;
            }
        }
        for candidate in fewer_rows(&states) {
            tries += 1;
            if tries > TRIES_MAX {
                break;
            }
            if let Some(difference) = differs(dialect, engine, &statement, &candidate) {
                (states, shown, is_smaller) = (candidate, difference, true);
                break;
            }
        }
        if !is_smaller || tries > TRIES_MAX {
            return print(world, &states, &statement, &shown);
        }
    }
}

fn differs(dialect: &dyn Dialect, engine: &mut Engine<'_>, statement: &Statement, states: &[State]) -> Option<String> {
    let sql = statement.render();
    let bound = engine.bind(&sql).ok()?;
    engine.refill(&[]);
    let mut answers: Vec<Answer> = Vec::new();
    for state in states {
        engine.fill(state);
        answers.push(dialect.ask(&sql));
    }
    match engine.outcome(&bound, &answers) {
        Outcome::Different(difference) => Some(difference),
        _ => None,
    }
}

/// The states without one row, or without one state.
fn fewer_rows(states: &[State]) -> Vec<Vec<State>> {
    let mut found = Vec::new();
    if states.len() > 1 {
        found.extend((0..states.len()).map(|place| {
            let mut fewer = states.to_vec();
            fewer.remove(place);
            fewer
        }));
    }
    for table in 0..states[0].len() {
        let mut ids: Vec<i64> = states.iter().flat_map(|state| state[table].keys().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let mut fewer = states.to_vec();
            for state in &mut fewer {
                state[table].remove(&id);
            }
            found.push(fewer);
        }
    }
    found
}

fn print(world: &World, states: &[State], statement: &Statement, difference: &str) -> String {
    let mut out = String::new();
    for table in &world.tables {
        let _ = writeln!(out, "  {}", table.create());
    }
    for (number, state) in states.iter().enumerate() {
        for (table, rows) in world.tables.iter().zip(state) {
            for (id, row) in rows {
                let _ = writeln!(out, "  state {number}: {} ({id}, {})", table.name, row.join(", "));
            }
        }
    }
    let _ = write!(out, "  {}\n  {difference}", statement.render());
    out
}
