//! Locks that others hold.

use super::*;
use crate::error::Class;

#[tokio::test]
async fn f97_a_lock_that_is_not_released_is_a_retry() {
    let Some(bench) = Bench::new().await else { return };
    let table = labels("t");
    let tables = std::slice::from_ref(&table);
    let start = bench.begin(tables).await;
    let mut options = bench.options.clone();
    options.statement_timeout_s = 1;
    let hasty = PostgresTarget::new(options);
    let blocker = bench.run("BEGIN; LOCK TABLE t; SELECT pg_sleep(1.5); COMMIT");
    let write = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        hasty.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await
    };
    let (blocked, ()) = futures_util::future::join(write, blocker).await;
    let error = blocked.unwrap_err();
    assert_eq!(error.class(), Class::Retry, "{error:?}");
    hasty.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap();
}
