//! Traps of the catalogue of faults that only a whole run shows; the F-number leads back to it.

use super::{on_mariadb, project};
use crate::support::oracle;
use crate::support::project::Project;

/// Live, then these statements on one legacy connection, then Ctrl-C, then the oracle over `rows` rows.
async fn arrives(project: &Project, statements: &[&str], rows: usize) {
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(statements).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(project.settle().await, rows);
}

#[tokio::test]
async fn f39_primary_keys_swapped_in_one_transaction() {
    let (_pair, project) = on_mariadb!(project, "key_swap");
    let statements = [
        "BEGIN",
        "UPDATE s_ord SET ord_no = 100 WHERE ord_no = 1",
        "UPDATE s_ord SET ord_no = 1 WHERE ord_no = 2",
        "UPDATE s_ord SET ord_no = 2 WHERE ord_no = 100",
        "COMMIT",
        "UPDATE s_ord SET ord_no = ord_no + 10 ORDER BY ord_no DESC",
    ];
    arrives(&project, &statements, 8).await;
}

#[tokio::test]
async fn f46_myisam_rows_stay_when_the_transaction_is_rolled_back() {
    let (_pair, project) = on_mariadb!(project, "myisam");
    project.legacy(&["ALTER TABLE s_cust ENGINE = MyISAM"]).await;
    let statements = [
        "BEGIN",
        "UPDATE s_ord SET amt = 1000 WHERE ord_no = 1",
        "UPDATE s_cust SET nm = '남는 이름' WHERE cust_no = 1",
        "INSERT INTO s_ord (ord_no, cust_no, st, amt) VALUES (50, 1, '10', 1)",
        "ROLLBACK",
    ];
    arrives(&project, &statements, 8).await;
    assert_eq!(project.ask_service("SELECT customer FROM orders WHERE order_no = 1").await, "남는 이름");
}

#[tokio::test]
async fn f47_an_enabled_trigger_on_a_target_table_is_refused() {
    let (_pair, project) = on_mariadb!(super::caught_up, "trigger");
    project
        .service(
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.memo = ''touched''; RETURN NEW; END'; \
             CREATE TRIGGER touching BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch()",
        )
        .await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(78).names(&["touching"]);
}

#[tokio::test]
async fn f62_a_nul_character_stops_instead_of_being_dropped() {
    let (_pair, project) = on_mariadb!(project, "nul");
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(&["UPDATE s_ord SET memo = CONCAT('a', CHAR(0), 'b') WHERE ord_no = 1"]).await;
    assert_eq!(engine.wait().await.code(), Some(76), "{}", engine.log());
    assert!(engine.log().contains("memo"), "{}", engine.log());
}

#[tokio::test]
async fn f75_join_keys_equal_by_collation_only() {
    let (_pair, project) = on_mariadb!(project, "collation");
    project
        .legacy(&[
            "CREATE TABLE s_grd (grd VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, nm VARCHAR(20))",
            "INSERT INTO s_grd VALUES ('gold', '골드'), ('Élan', '엘란'), ('b  ', '비')",
            "ALTER TABLE s_cust MODIFY grd VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL",
            "UPDATE s_cust SET grd = ELT(cust_no, 'GOLD ', 'elan', 'B')",
        ])
        .await;
    project.edit("mappings/small.yaml", "c.nm AS name,", "c.nm AS name, g.nm AS grade,");
    project.edit(
        "mappings/small.yaml",
        "        FROM s_cust c\n",
        "        FROM s_cust c\n        LEFT JOIN s_grd g ON g.grd = c.grd\n",
    );
    arrives(
        &project,
        &[
            "UPDATE s_grd SET nm = '금' WHERE grd = 'GoLd'",
            "UPDATE s_cust SET grd = 'ELAN' WHERE cust_no = 1",
            "DELETE FROM s_grd WHERE grd = 'b'",
        ],
        8,
    )
    .await;
    assert_eq!(
        project.ask_service("SELECT string_agg(COALESCE(grade, '-'), ',' ORDER BY customer_no) FROM customers").await,
        "엘란,엘란,-"
    );
}

#[tokio::test]
async fn f79_names_in_hangul_capitals_with_spaces_and_reserved_words() {
    let (_pair, project) = on_mariadb!(project, "names");
    project
        .legacy(&[
            "CREATE TABLE `주문 Order` (`번호` INT PRIMARY KEY, `select` VARCHAR(10), `Group By` INT, `back``tick` INT)",
            "INSERT INTO `주문 Order` VALUES (1, 'a', 1, 2), (2, 'b', NULL, 3)",
        ])
        .await;
    project.write(
        "mappings/small.yaml",
        "version: 1\nmapping: small\nsource: erp\ntarget: order-db\ntables:\n  \"주문 Order\":\n    key: [번호]\n    sql: |\n      \
         SELECT o.`번호` AS `번호`, o.`select` AS `select`, o.`Group By` AS `Group By`, o.`back``tick` AS `quote\"d` FROM `주문 Order` o\n",
    );
    arrives(&project, &["UPDATE `주문 Order` SET `Group By` = 7", "INSERT INTO `주문 Order` VALUES (3, NULL, NULL, NULL)"], 3)
        .await;
}

#[tokio::test]
async fn f07_a_rebuild_deletes_what_was_deleted_meanwhile() {
    let (_pair, project) = on_mariadb!(super::caught_up, "deleted_meanwhile");
    std::fs::remove_dir_all(project.state()).unwrap();
    project.legacy(&["DELETE FROM s_ord", "DELETE FROM s_cust WHERE cust_no > 1"]).await;
    project.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 1);
    assert_eq!(project.ask_service("SELECT COUNT(*)::text FROM orders").await, "0");
}

#[tokio::test]
async fn f96_a_second_signal_ends_at_once_and_loses_nothing() {
    let (_pair, project) = on_mariadb!(project, "second_signal");
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(&["UPDATE s_ord SET amt = amt * 2"]).await;
    engine.signal("INT");
    if engine.ended().is_none() {
        engine.signal("INT");
    }
    engine.wait().await;
    assert_eq!(project.settle().await, 8);
}
