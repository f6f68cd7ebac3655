//! The page over real HTTP, its text read by a strict parser of the format.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{exposition, serve};
use crate::migrate::Board;
use crate::migrate::board::MappingStatus;
use crate::migrate::forecast::Forecast;
use crate::migrate::meters::{self, Births};
use crate::migrate::outbox_forecast::OutboxForecast;
use crate::position::{Position, WalPosition};
use crate::source::CommitClock;
use crate::state::meta::Stage;
use crate::state::standing::{Cause, Standing};
use crate::target::Phase;

/// One sample: its name, its labels as written, its value.
type Sample = (String, Vec<(String, String)>, f64);

struct Family {
    kind: String,
    unit: String,
    samples: Vec<Sample>,
}

/// Reads a whole exposition; panics at the first thing that OpenMetrics 1.0.0 does not allow.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let body = text.strip_suffix("# EOF\n").expect("ends with # EOF and nothing behind it");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in body.lines() {
        assert!(!line.is_empty() && line == line.trim(), "{line:?}");
        let Some(comment) = line.strip_prefix("# ") else {
            let name = current.as_ref().expect("a sample stands behind its family's type");
            let family = families.get_mut(name).unwrap();
            let sample = sample(line);
            assert!(suffixes(&family.kind).iter().any(|suffix| sample.0 == format!("{name}{suffix}")), "{line}");
            assert!(!family.samples.iter().any(|other| (&other.0, &other.1) == (&sample.0, &sample.1)), "twice: {line}");
            family.samples.push(sample);
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (word, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        assert!(is_name(name), "{line}");
        match word {
            "TYPE" => {
                assert!(matches!(rest, "gauge" | "counter" | "histogram" | "info" | "stateset"), "{line}");
                let family = Family { kind: rest.to_owned(), unit: String::new(), samples: Vec::new() };
                assert!(families.insert(name.to_owned(), family).is_none(), "a family in two places: {line}");
                current = Some(name.to_owned());
            }
            "UNIT" => {
                assert!(name.ends_with(&format!("_{rest}")), "{line}");
                let family = families.get_mut(name).filter(|family| family.samples.is_empty() && family.unit.is_empty());
                rest.clone_into(&mut family.unwrap().unit);
            }
            "HELP" => assert!(current.as_deref() == Some(name) && !rest.is_empty(), "{line}"),
            _ => panic!("{line}"),
        }
    }
    families
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => &[""],
    }
}

fn is_name(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let mut value = String::new();
            let mut letters = after.char_indices();
            let close = loop {
                match letters.next().expect(line) {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match letters.next().expect(line).1 {
                        'n' => '\n',
                        letter @ ('"' | '\\') => letter,
                        _ => panic!("{line}"),
                    }),
                    (_, letter) => value.push(letter),
                }
            };
            assert!(!labels.iter().any(|(other, _)| other == label), "{line}");
            labels.push((label.to_owned(), value));
            rest = &after[close + 1..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect(line);
    }
    let number = rest.strip_prefix(' ').expect(line);
    assert!(!number.contains(' '), "{line}");
    (name.to_owned(), labels, number.parse().expect(line))
}

/// Buckets grow, end with +Inf, and agree with count and sum.
fn expect_histogram(name: &str, family: &Family) {
    let without_bound = |labels: &[(String, String)]| -> Vec<(String, String)> {
        labels.iter().filter(|(label, _)| label != "le").cloned().collect()
    };
    let series: BTreeSet<Vec<(String, String)>> = family.samples.iter().map(|sample| without_bound(&sample.1)).collect();
    for labels in series {
        let of = |suffix: &str| {
            let full = format!("{name}{suffix}");
            family.samples.iter().filter(move |sample| sample.0 == full)
        };
        let of_series = |sample: &&Sample| without_bound(&sample.1) == labels;
        let bound = |sample: &Sample| {
            let (_, bound) = sample.1.iter().find(|(label, _)| label == "le").expect("a bucket has a bound");
            if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() }
        };
        let buckets: Vec<(f64, f64)> = of("_bucket").filter(of_series).map(|sample| (bound(sample), sample.2)).collect();
        assert!(buckets.is_sorted_by(|left, right| left.0 < right.0 && left.1 <= right.1), "{name} {labels:?}");
        let last = buckets.last().unwrap();
        assert!(last.0.is_infinite());
        let count: Vec<f64> = of("_count").filter(of_series).map(|sample| sample.2).collect();
        assert_eq!(count, [last.1], "{name} {labels:?}");
        assert_eq!(of("_sum").filter(of_series).count(), 1);
    }
}

fn board() -> Board {
    let board = Board::new(Vec::new(), vec![MappingStatus::new("order \"주문\"\\", vec![]), MappingStatus::new("stock", vec![])]);
    let births = Births::new(vec![Instant::now().checked_sub(Duration::from_millis(3)).unwrap(); 2]);
    board.meters().committing(0, 1, &births);
    board.meters().applying(0, 1);
    board.meters().visible(0, 1);
    board.meters().record(meters::Stage::Step, Duration::from_secs(500));
    board.meters().met_clock(CommitClock::Seconds);
    let outbox = OutboxForecast { mapping: "stock".into(), full_in_s: Some(90), ..OutboxForecast::default() };
    board.update(|status| {
        status.mappings[1].outbox_bytes_max = 8 << 30;
        status.mappings[1].pending_sweeps = 3;
        status.forecast = Some(Forecast { outboxes: vec![outbox], ..Forecast::default() });
    });
    board
}

fn live(board: &Board) {
    board.update(|status| {
        status.stage = Stage::Live;
        status.mappings.iter_mut().for_each(|mapping| mapping.phase = Phase::Live);
    });
}

#[test]
fn the_exposition_is_strictly_openmetrics() {
    let text = exposition(&board());
    let families = parse(&text);
    for (name, family) in &families {
        match family.kind.as_str() {
            "histogram" => expect_histogram(name, family),
            "stateset" => assert_eq!(family.samples.iter().map(|sample| sample.2).sum::<f64>(), 1.0),
            "counter" => assert!(family.samples.iter().all(|sample| sample.2 >= 0.0)),
            _ => {}
        }
    }
    let stock = |name: &str| families[name].samples.iter().map(|sample| (sample.1[0].1.clone(), sample.2)).collect::<Vec<_>>();
    assert_eq!(stock("strangler_outbox_full_seconds"), [("stock".to_owned(), 90.0)], "what does not fill has no forecast");
    assert_eq!(stock("strangler_outbox_limit_bytes"), [("stock".to_owned(), (8_u64 << 30) as f64)]);
    let sweeps: Vec<f64> = families["strangler_pending_sweeps"].samples.iter().map(|sample| sample.2).collect();
    assert_eq!((families["strangler_pending_sweeps"].kind.as_str(), sweeps), ("gauge", vec![0.0, 3.0]));
    for name in ["strangler_state_hits", "strangler_state_misses"] {
        assert_eq!((families[name].kind.as_str(), families[name].samples.len()), ("counter", 1), "{name}");
    }
    let latency = &families["strangler_commit_to_visible_seconds"];
    let of_orders = |sample: &&Sample| sample.1.contains(&("mapping".into(), "order \"주문\"\\".into()));
    let count = latency.samples.iter().filter(of_orders).find(|sample| sample.0.ends_with("_count")).unwrap();
    assert_eq!(count.2, 2.0);
    assert!(count.1.contains(&("counted_from".into(), "arrival".into())));
    assert_eq!(latency.unit, "seconds");
    let steps = &families["strangler_stage_duration_seconds"].samples;
    let beyond = steps.iter().filter(|sample| sample.1.contains(&("stage".into(), "step".into())) && sample.2 > 0.0);
    assert_eq!(
        beyond.map(|sample| sample.0.as_str()).collect::<Vec<_>>(),
        [
            "strangler_stage_duration_seconds_bucket",
            "strangler_stage_duration_seconds_sum",
            "strangler_stage_duration_seconds_count"
        ]
    );
}

async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: engine\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    if path == "/metrics" {
        assert!(head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    }
    (code, body.to_owned())
}

#[tokio::test]
async fn readiness_follows_the_mappings_and_life_does_not() {
    let board = board();
    let serving = serve(([127, 0, 0, 1], 0).into(), board.clone()).await.unwrap();
    assert_eq!(get(serving.address(), "/livez").await, (200, "live\n".into()));
    let (code, reasons) = get(serving.address(), "/readyz").await;
    assert_eq!(code, 503);
    assert_eq!(reasons, "the first load is not done\nmapping order \"주문\"\\ is loading\nmapping stock is loading\n");
    live(&board);
    assert_eq!(get(serving.address(), "/readyz").await, (200, "ready\n".into()));
    let position = Position::Wal(WalPosition { system: "1".into(), timeline: 1, database: "d".into(), lsn: 7 });
    let standing =
        Standing { cause: Cause::Paused, reason: "secret".into(), hint: None, position, since_us: 0, everything: false };
    board.update(|status| status.mappings[1].halted = Some(standing));
    let (code, reasons) = get(serving.address(), "/readyz").await;
    assert_eq!((code, reasons.contains("stock is paused"), reasons.contains("secret")), (503, true, false));
    let (code, text) = get(serving.address(), "/metrics").await;
    assert_eq!(code, 200);
    let families = parse(&text);
    let up: Vec<f64> = families["strangler_mapping_up"].samples.iter().map(|sample| sample.2).collect();
    assert_eq!(up, [1.0, 0.0]);
}
