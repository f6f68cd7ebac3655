//! The rules of verification against a source and a target that do what the test says.

mod fake;
mod naive;

use super::compare::Difference;
use super::*;
use crate::source::PlannedAccess;
use crate::value::Value;
use fake::{Engine, FakeSource, FakeTarget, node, plan};

/// Verifies a table whose target holds `held` and whose source answers `answers`, one after the other (the last one again and again).
async fn verify(source: &FakeSource, target: &FakeTarget, engine: Option<&Engine>) -> Result<TableReport> {
    let options = VerifyOptions { tries_max: 3, wait_max: Duration::from_millis(50), faults_max: 1, ..VerifyOptions::default() };
    let (plan, catalog) = plan();
    let verifier = Verifier {
        source,
        target,
        source_name: "erp",
        catalog: &catalog,
        plan: &plan,
        mapping: "m",
        node: node(&plan),
        touched: engine.map(|engine| engine as &dyn TouchedKeys),
        options: &options,
    };
    verifier.verify(&|_| {}).await
}

fn rows(pairs: &[(i64, &str)]) -> Vec<Row> {
    pairs.iter().map(|(key, name)| Row::from([Value::Int(*key), Value::text(*name)])).collect()
}

fn keys(mismatches: &[Mismatch]) -> Vec<(Row, Difference)> {
    let mut keys: Vec<_> = mismatches.iter().map(|mismatch| (mismatch.key.clone(), mismatch.difference.clone())).collect();
    keys.sort_by_key(|(key, _)| format!("{key:?}"));
    keys
}

fn key(number: i64) -> Row {
    Row::from([Value::Int(number)])
}

#[tokio::test]
async fn missing_surplus_and_changed_rows_are_confirmed_while_nothing_moves() {
    let source = FakeSource::answering([rows(&[(1, "a"), (2, "b"), (4, "d")])]);
    let target = FakeTarget::holding(rows(&[(1, "a"), (2, "x"), (3, "c")]));
    let report = verify(&source, &target, None).await.unwrap();
    let changed = Difference::Changed(vec!["name".into()]);
    assert_eq!(keys(&report.confirmed), [(key(2), changed), (key(3), Difference::Surplus), (key(4), Difference::Missing)]);
    assert!(report.unconfirmed.is_empty());
    assert_eq!(report.row_count, 3);
}

#[tokio::test]
async fn a_row_in_flight_is_no_difference_once_it_has_arrived() {
    // The first answer is older than what the engine has written; the second reading agrees.
    let source = FakeSource::answering([rows(&[(1, "old")]), rows(&[(1, "new")])]);
    let target = FakeTarget::holding(rows(&[(1, "new")]));
    let report = verify(&source, &target, Some(&Engine::untouched())).await.unwrap();
    assert!(report.confirmed.is_empty() && report.unconfirmed.is_empty());
}

#[tokio::test]
async fn f113_a_key_that_the_engine_keeps_writing_is_unconfirmed_and_never_confirmed() {
    let source = FakeSource::answering([rows(&[(1, "a"), (2, "b")])]);
    let target = FakeTarget::holding(rows(&[(1, "x"), (2, "y")])).moving();
    let report = verify(&source, &target, Some(&Engine::touching(&[key(1)]))).await.unwrap();
    let changed = Difference::Changed(vec!["name".into()]);
    assert_eq!(keys(&report.unconfirmed), [(key(1), changed.clone())]);
    assert_eq!(keys(&report.confirmed), [(key(2), changed)]);
}

#[tokio::test]
async fn a_row_that_changes_and_changes_back_within_one_epoch_is_never_confirmed() {
    // The engine writes nothing of it, and each reading meets it in another moment in between.
    let source = FakeSource::answering([rows(&[(1, "b")]), rows(&[(1, "c")]), rows(&[(1, "b")]), rows(&[(1, "d")])]);
    let target = FakeTarget::holding(rows(&[(1, "a")])).moving();
    let report = verify(&source, &target, Some(&Engine::untouched())).await.unwrap();
    assert!(report.confirmed.is_empty(), "{:?}", report.confirmed);
    assert_eq!(keys(&report.unconfirmed), [(key(1), Difference::Changed(vec!["name".into()]))]);
}

#[tokio::test]
async fn a_second_reading_never_waits_for_a_range_that_nobody_drives_on() {
    // Two ranges at once: one has a row in flight, the other is long.
    let long: Vec<(i64, &str)> = (2..40).map(|number| (number, "a")).collect();
    let source = FakeSource::answering([rows(&[(1, "old")]), rows(&long), rows(&[(1, "a")])]).slow_beside_a_truncate();
    let target = FakeTarget::holding(rows(&[&[(1, "a")], long.as_slice()].concat()));
    let report = verify(&source, &target, Some(&Engine::untouched())).await.unwrap();
    assert!(report.confirmed.is_empty() && report.unconfirmed.is_empty(), "{report:?}");
    assert_eq!(report.row_count, 39);
}

#[tokio::test]
async fn without_an_engine_a_moved_source_confirms_nothing() {
    let source = FakeSource::answering([rows(&[(1, "a")])]).ahead();
    let target = FakeTarget::holding(rows(&[(1, "x"), (2, "y")]));
    let report = verify(&source, &target, None).await.unwrap();
    assert!(report.confirmed.is_empty());
    assert_eq!(report.unconfirmed.len(), 2);
}

#[tokio::test]
async fn an_engine_that_does_not_get_there_in_time_confirms_nothing() {
    let source = FakeSource::answering([rows(&[(1, "a")])]).ahead();
    let target = FakeTarget::holding(rows(&[(1, "x")]));
    let report = verify(&source, &target, Some(&Engine::untouched())).await.unwrap();
    assert!(report.confirmed.is_empty());
    assert_eq!(report.unconfirmed.len(), 1);
}

#[tokio::test]
async fn a_loading_mapping_and_a_missing_checkpoint_are_not_compared() {
    let source = FakeSource::answering([rows(&[])]);
    let loading = verify(&source, &FakeTarget::holding(vec![]).loading(), None).await.unwrap_err();
    assert_eq!(loading.class(), Class::Retry);
    let absent = verify(&source, &FakeTarget::holding(vec![]).without_checkpoint(), None).await.unwrap_err();
    assert_eq!(absent.class(), Class::Person);
}

#[tokio::test]
async fn a_range_that_no_index_drives_is_refused_by_name() {
    let whole = PlannedAccess {
        table: "pm".into(),
        access: "ALL".into(),
        row_estimate: 1_000_000,
        is_repeated: false,
        is_neglected: false,
    };
    let source = FakeSource::answering([rows(&[])]).planned(vec![whole]);
    let error = verify(&source, &FakeTarget::holding(vec![]), None).await.unwrap_err();
    assert_eq!(error.class(), Class::Preflight);
    assert!(error.message().contains("pm (access ALL"), "{error}");
    assert!(error.hint().unwrap_or_default().contains("--full-scan"));
}

#[tokio::test]
async fn passing_faults_are_tried_again_and_lasting_ones_are_told() {
    let source = FakeSource::answering([rows(&[(1, "a")])]).failing(1);
    assert!(verify(&source, &FakeTarget::holding(rows(&[(1, "a")])), None).await.unwrap().confirmed.is_empty());
    let source = FakeSource::answering([rows(&[(1, "a")])]).failing(1_000);
    assert_eq!(verify(&source, &FakeTarget::holding(rows(&[(1, "a")])), None).await.unwrap_err().class(), Class::Unreachable);
}
