//! PostgreSQL as the legacy database, through the compiled program: every type to each kind of target, and the commands that a DBA meets.
//! The random workload through kills is in [`crate::pairs`].

mod limits;
mod types;

use crate::support::oracle;
use crate::support::project::Project;
use crate::support::servers::{Database, Pair, own_pair};
use crate::workload;

/// PostgreSQL on both sides, with the workload's tables.
async fn crm(test: &str) -> Option<(Pair, Project)> {
    let pair = own_pair(Database::Postgres, Database::Postgres).await?;
    let project = workload::project(&pair, test).await;
    Some((pair, project))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_its_grants_is_told_each_statement() {
    let Some((_pair, crm)) = crm("crm_grants").await else { return };
    let role = &crm.name;
    let revoked = format!("DROP PUBLICATION erp_out; REVOKE SELECT ON app.ord FROM {role}; ALTER ROLE {role} NOREPLICATION");
    crm.legacy(&[&revoked]).await;
    let (replication, select) =
        (format!("ALTER ROLE \"{role}\" REPLICATION"), format!("GRANT SELECT ON \"app\".\"ord\" TO \"{role}\""));
    let words = [&*replication, &*select, "CREATE PUBLICATION \"erp_out\" FOR TABLE"];
    crm.strangler(&["check"]).await.expect(77).names(&words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_slot_and_changed_columns_stop_with_their_names() {
    let Some((_pair, crm)) = crm("crm_columns").await else { return };
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    crm.legacy(&["ALTER TABLE app.cust ALTER grade TYPE text; INSERT INTO app.cust VALUES (900, 'new', 'A')"]).await;
    crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["app.cust.grade", "customers.grade"]);
    crm.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert!(oracle::check(&crm).await > 1_000);
    let slots = crm.source_client().await.query("SELECT slot_name::text FROM pg_replication_slots", &[]).await.unwrap();
    assert_eq!(slots.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["strangler_erp"]);
    crm.strangler(&["reset"]).await.expect(2).names(&["replication slot strangler_erp", "publication erp_out"]);
    crm.legacy(&["SELECT pg_drop_replication_slot('strangler_erp')"]).await;
    crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["strangler_erp does not exist", "--rebuild"]);
}
