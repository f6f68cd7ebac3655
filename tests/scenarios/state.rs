//! State and target that do not belong together: each gets its answer, and the remedy it names works.

use super::{caught_up, on_mariadb, project};
use crate::support::oracle;

#[tokio::test]
async fn state_folder_deleted_is_refused_and_rebuild_mends_it() {
    let (_pair, project) = on_mariadb!(caught_up, "state_deleted");
    std::fs::remove_dir_all(project.state()).unwrap();
    project.legacy(&["DELETE FROM s_ord WHERE ord_no = 1", "UPDATE s_cust SET nm = '개명' WHERE cust_no = 2"]).await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["small", "--rebuild"]);
    project.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 7);
    // It continues afterwards as any other run does.
    project.legacy(&["INSERT INTO s_ord (ord_no, st, amt) VALUES (9, '10', 1)"]).await;
    assert_eq!(project.settle().await, 8);
}

#[tokio::test]
async fn an_old_copy_of_the_state_folder_is_refused() {
    let (_pair, project) = on_mariadb!(caught_up, "state_old");
    let copy = project.folder().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").arg(project.state()).arg(&copy).status().unwrap();
    assert!(copied.success());
    project.legacy(&["UPDATE s_ord SET amt = amt + 1"]).await;
    project.settle().await;
    std::fs::remove_dir_all(project.state()).unwrap();
    std::fs::rename(&copy, project.state()).unwrap();
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["--rebuild"]);
}

#[tokio::test]
async fn target_not_empty_is_refused_and_adopt_takes_it_over() {
    let (_pair, project) = on_mariadb!(project, "not_empty");
    // The tables as `plan` shows them, filled by somebody else.
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    project.strangler(&["reset", "--execute"]).await.expect(0);
    project.service("UPDATE orders SET memo = 'by hand' WHERE order_no = 3; DELETE FROM customers; INSERT INTO customers VALUES (77, 'x', 1)").await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(78).names(&["orders", "--adopt"]);
    assert_eq!(project.ask_service("SELECT memo FROM orders WHERE order_no = 3").await, "by hand");
    project.strangler(&["run", "--adopt", "--until-caught-up"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 8);
}

#[tokio::test]
async fn mapping_edited_is_refused_and_rebuild_applies_it() {
    let (_pair, project) = on_mariadb!(caught_up, "edited");
    project.edit("mappings/small.yaml", "c.nm AS customer", "CONCAT(c.nm, ' 님') AS customer");
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["small", "--rebuild"]);
    project.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 8);
    assert_eq!(project.ask_service("SELECT customer FROM orders WHERE order_no = 1").await, "김철수 님");
}

/// Every table that the mapping reads is stored: the source is not read again, and the state goes on.
#[tokio::test]
async fn a_new_column_of_the_only_mapping_is_derived_from_the_state() {
    let (_pair, project) = on_mariadb!(caught_up, "new_column");
    let state_of = "SELECT state_id FROM strangler.checkpoint";
    let before = project.ask_service(state_of).await;
    project.edit("mappings/small.yaml", "o.ship_dt AS ship_on", "o.ship_dt AS ship_on, o.memo AS note");
    project.service("ALTER TABLE orders ADD COLUMN note text; UPDATE orders SET customer = 'wrong' WHERE order_no = 2").await;
    project.legacy(&["UPDATE s_cust SET nm = '개명' WHERE cust_no = 2"]).await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["small", "--rebuild"]);
    let mut engine = project.start(&["--rebuild", "--mapping", "small"]);
    let has_it = |project: &crate::support::project::Project| {
        let Some(status) = project.status() else { return false };
        let mapping = &status["mappings"][0];
        let loads = mapping["loads"].as_array().cloned().unwrap_or_default();
        let is_told =
            loads.iter().all(|load| load["is_again"] == true && load["done"] == true && load["byte_count"].as_u64() > Some(0));
        is_told && mapping["halted"].is_null() && mapping["lag_ms"] == 0
    };
    project.until(&mut engine, "derived again", has_it).await;
    assert!(!engine.log().contains("snapshot:"), "{}", engine.log());
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(project.settle().await, 8);
    assert_eq!(project.ask_service(state_of).await, before, "the state is the same");
}

/// The engine ended at the change of a mapped column, with its only mapping: the table is read again with the definition of now.
#[tokio::test]
async fn the_only_mapping_goes_on_over_the_definition_of_now() {
    let (_pair, project) = on_mariadb!(caught_up, "redefined");
    project
        .legacy(&[
            "UPDATE s_ord SET amt = amt + 1 WHERE ord_no = 1",
            "ALTER TABLE s_ord DROP COLUMN memo",
            "INSERT INTO s_ord (ord_no, cust_no, st, amt) VALUES (9, 1, '10', 3)",
        ])
        .await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["memo"]);
    project.edit("mappings/small.yaml", " o.memo AS memo,", "");
    project.service("ALTER TABLE orders DROP COLUMN memo").await;
    project.strangler(&["run", "--rebuild", "--mapping", "small", "--until-caught-up"]).await.expect(0);
    assert_eq!(project.settle().await, 9);
}

#[tokio::test]
async fn a_comment_in_the_mapping_is_no_edit() {
    let (_pair, project) = on_mariadb!(caught_up, "commented");
    project.edit("mappings/small.yaml", "        FROM s_ord o\n", "        FROM s_ord o -- 주문\n");
    assert_eq!(project.settle().await, 8);
}

#[tokio::test]
async fn a_second_engine_on_the_same_state_is_locked_out() {
    let (_pair, project) = on_mariadb!(project, "locked");
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(73);
    assert!(engine.ended().is_none(), "{}", engine.log());
    assert_eq!(engine.interrupt().await, Some(130));
}

#[tokio::test]
async fn two_engines_on_one_mapping_the_older_is_fenced_out() {
    let (_pair, project) = on_mariadb!(project, "fenced");
    let mut older = project.start(&[]);
    project.until_live(&mut older).await;
    let file = std::fs::read_to_string(project.folder().join("strangler.yaml")).unwrap();
    project.write("other.yaml", &file.replace("./state", "./other-state"));
    project.strangler(&["-c", "other.yaml", "run", "--until-caught-up"]).await.expect(76).names(&["small"]);
    project.strangler(&["-c", "other.yaml", "run", "--rebuild", "--until-caught-up"]).await.expect(0);
    project.legacy(&["UPDATE s_ord SET amt = 3.33 WHERE ord_no = 2"]).await;
    assert_eq!(older.wait().await.code(), Some(73), "{}", older.log());
    project.strangler(&["-c", "other.yaml", "run", "--until-caught-up"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 8);
}

#[tokio::test]
async fn target_table_altered_is_refused() {
    for (number, (change, word)) in [
        ("ALTER TABLE orders ADD COLUMN note text", "note"),
        ("ALTER TABLE orders ALTER COLUMN status TYPE varchar(3)", "status"),
        ("ALTER TABLE orders DROP COLUMN memo", "memo"),
        ("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "orders"),
        ("DROP TABLE customers", "customers"),
    ]
    .into_iter()
    .enumerate()
    {
        let (_pair, project) = on_mariadb!(caught_up, "altered");
        project.service(change).await;
        let ended = project.strangler(&["run", "--until-caught-up"]).await;
        assert!(matches!(ended.code, Some(76 | 78)), "{number} {change}: {:?}\n{}", ended.code, ended.text());
        ended.names(&[word]);
    }
}

#[tokio::test]
async fn checkpoint_row_lost_is_refused() {
    let (_pair, project) = on_mariadb!(caught_up, "no_checkpoint");
    project.service("DELETE FROM strangler.checkpoint").await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["small", "--rebuild"]);
}

#[tokio::test]
async fn a_new_target_database_is_not_mistaken_for_the_old_one() {
    let (_pair, project) = on_mariadb!(caught_up, "target_replaced");
    project.service("DROP TABLE orders, customers; DROP SCHEMA strangler CASCADE").await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["--rebuild"]);
    project.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 8);
}
