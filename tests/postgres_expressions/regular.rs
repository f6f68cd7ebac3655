//! Random regular expressions over random texts: what matches, where, and in which groups, here and by the server.

use strangler::sql::evaluate::evaluate;
use strangler::value::{Row, Value};

use super::{OneRow, Server, bind, table};

const ATOMS: [&str; 16] =
    ["a", "b", "c", ".", "[ab]", "[^a]", "\\d", "\\w", "[[:alpha:]]", "한", "ab", "\\s", "-", "[b-d]", "\\.", "[^[:digit:]]"];
const QUANTIFIERS: [&str; 8] = ["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", ""];
const LETTERS: [char; 12] = ['a', 'b', 'c', 'd', '1', '2', '한', ' ', '-', '.', 'A', '\n'];

fn pattern(random: &mut fastrand::Rng, depth: usize) -> String {
    let mut out = String::new();
    for _ in 0..random.usize(1..4) {
        match random.u8(0..10) {
            0 if depth > 0 => out += &format!("({})", pattern(random, depth - 1)),
            1 if depth > 0 => out += &format!("({})?", pattern(random, depth - 1)),
            2 if depth > 0 => out += &format!("(?:{}){}", pattern(random, depth - 1), QUANTIFIERS[random.usize(0..8)]),
            3 if depth > 0 => out += &format!("({}|{})", pattern(random, depth - 1), pattern(random, depth - 1)),
            4 => out += ["^", "$", "\\y", "\\m", "\\M", "\\A", "\\Z"][random.usize(0..7)],
            _ => {
                let atom = ATOMS[random.usize(0..ATOMS.len())];
                let atom = if atom == "ab" { "(?:ab)".to_owned() } else { atom.to_owned() };
                out += &atom;
                if random.bool() {
                    out += QUANTIFIERS[random.usize(0..8)];
                }
            }
        }
    }
    if depth == 2 && random.u8(0..5) == 0 { format!("{out}|{}", pattern(random, 0)) } else { out }
}

fn text(random: &mut fastrand::Rng) -> String {
    (0..random.usize(0..9)).map(|_| LETTERS[random.usize(0..LETTERS.len())]).collect()
}

#[tokio::test]
async fn random_regular_expressions_match_as_postgresql_says() {
    let Some(server) = Server::start("UTC").await else { return };
    let catalog = table::catalog("UTC");
    let column = table::columns().iter().position(|(name, ..)| *name == "t").unwrap();
    let seed = std::env::var("STRANGLER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let wanted = if std::env::var("STRANGLER_LONG").as_deref() == Ok("1") { 20_000 } else { 1_000 };
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut compared, mut refused, mut faults) = (0, 0, Vec::new());
    while compared < wanted && faults.len() < 20 {
        let written = pattern(&mut random, 2);
        let texts: Vec<String> = (0..6).map(|_| text(&mut random)).collect();
        let listed: Vec<String> = texts.iter().enumerate().map(|(number, text)| format!("({number}, '{text}')")).collect();
        let forms = [
            format!("t ~ '{written}'"),
            format!("t ~* '{written}'"),
            format!("regexp_match(t, '{written}')"),
            format!("regexp_replace(t, '{written}', '<\\1\\&>', 'g')"),
            format!("regexp_replace(t, '{written}', '<\\2>')"),
            format!("substring(t from '{written}')"),
            format!("regexp_count(t, '{written}')"),
            format!("regexp_split_to_array(t, '{written}')"),
            format!("regexp_instr(t, '{written}', 2, 2, 1)"),
        ];
        let form = &forms[random.usize(0..forms.len())];
        let Ok(expr) = bind(&format!("({form})::text"), &catalog) else {
            refused += 1;
            continue;
        };
        let Ok(theirs) =
            server.ask(&format!("SELECT ({form})::text FROM (VALUES {}) x(n, t) ORDER BY n", listed.join(", "))).await
        else {
            faults.push(format!("{form}: the server refuses it"));
            continue;
        };
        compared += 1;
        for (text, theirs) in texts.iter().zip(theirs) {
            let mut row: Row = table::columns().iter().map(|_| Value::Null).collect();
            row[column] = Value::text(text.as_str());
            let ours = match evaluate(&expr, &OneRow(&row)) {
                Ok(Value::Text(ours)) => Some(ours.to_string()),
                Ok(_) => None,
                Err(error) => Some(format!("{error:?}")),
            };
            if ours != theirs {
                faults.push(format!("{form} over {text:?}: ours {ours:?}, the server's {theirs:?}"));
            }
        }
    }
    eprintln!("{compared} compared, {refused} refused");
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
}
