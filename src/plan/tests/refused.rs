//! What cannot be planned says why, where, and what to do.

use super::{plan, shop_catalog, table};
use crate::sql::query::ExprKind;
use crate::value::Value;

fn refusal(key: &[&str], sql: &str) -> (String, String) {
    let mut catalog = shop_catalog::shop("");
    for table in &mut catalog.tables {
        table.row_estimate = 1_000_000;
    }
    let findings = plan(&catalog, vec![table(&catalog, "t", key, sql)]).unwrap_err();
    let under = findings[0].span.clone().map_or(String::new(), |span| sql[span].to_owned());
    assert!(!findings[0].help.is_empty(), "{findings:?}");
    (findings[0].message.clone(), under)
}

#[test]
fn a_key_that_does_not_determine_the_root_is_refused() {
    let (message, _) = refusal(&["cust_no"], "SELECT o.ord_no, o.cust_no FROM tb_ord_mst o");
    assert!(message.contains("does not determine o (ord_no)"), "{message}");
}

#[test]
fn many_to_many_is_refused_under_the_relation_that_multiplies() {
    let sql = "SELECT o.ord_no, d.item_no FROM tb_ord_mst o JOIN tb_cust c ON c.cust_no = o.cust_no JOIN tb_cust_addr a ON a.cust_no = c.cust_no JOIN tb_ord_dtl d ON d.ord_no = o.ord_no";
    let (message, under) = refusal(&["ord_no"], sql);
    assert!(message.contains("may join several rows"), "{message}");
    assert!(under.contains("tb_") || under == "a" || under == "d", "{under}");
}

#[test]
fn an_uncorrelated_subquery_over_a_large_table_is_refused() {
    let (message, _) =
        refusal(&["ord_no"], "SELECT o.ord_no, (SELECT MAX(g.grd_nm) FROM tb_cust_grd g) AS best FROM tb_ord_mst o");
    assert!(message.contains("full scan") || message.contains("cannot be traced"), "{message}");
}

#[test]
fn a_large_relation_that_only_a_range_binds_is_refused() {
    let sql = "SELECT o.ord_no, (SELECT COUNT(*) FROM tb_ord_hist h WHERE h.ord_no > o.ord_no) AS later FROM tb_ord_mst o";
    let (message, _) = refusal(&["ord_no"], sql);
    assert!(message.contains("full scan"), "{message}");
}

#[test]
fn small_tables_may_stand_beside_every_row() {
    let catalog = shop_catalog::shop("");
    for sql in [
        "SELECT o.ord_no, (SELECT MAX(g.grd_nm) FROM tb_cust_grd g) AS best FROM tb_ord_mst o",
        "SELECT o.ord_no, (SELECT COUNT(*) FROM tb_ord_hist h WHERE h.ord_no > o.ord_no) AS later FROM tb_ord_mst o",
        "SELECT o.ord_no, g.grd_nm FROM tb_ord_mst o JOIN tb_cust_grd g ON g.grd_cd = 'A'",
        "SELECT o.ord_no FROM tb_ord_mst o WHERE EXISTS (SELECT 1 FROM tb_cust_grd g WHERE g.grd_cd = 'A')",
    ] {
        let plan = plan(&catalog, vec![table(&catalog, "t", &["ord_no"], sql)]).unwrap();
        let whole = plan.nodes[0].branches[0].walks.iter().filter(|(_, walk)| walk.whole.is_some()).count();
        assert_eq!(whole, 1, "{sql}");
    }
}

#[test]
fn a_row_of_settings_stands_beside_every_row_of_a_large_table() {
    let mut catalog = shop_catalog::shop("");
    let orders = catalog.tables.iter_mut().find(|table| table.name.name == "tb_ord_mst").unwrap();
    orders.row_estimate = 50_000_000;
    let sql = "SELECT o.ord_no, g.grd_nm FROM tb_ord_mst o, tb_cust_grd g WHERE g.grd_cd = 'A'";
    assert!(plan(&catalog, vec![table(&catalog, "t", &["ord_no"], sql)]).is_ok());
}

#[test]
fn union_branches_that_may_share_a_key_are_refused() {
    let sql = "SELECT o.ord_no FROM tb_ord_mst o UNION ALL SELECT o.ord_no FROM tb_ord_mst o";
    let (message, _) = refusal(&["ord_no"], sql);
    assert!(message.contains("two branches"), "{message}");
}

#[test]
fn an_aggregate_over_a_whole_table_is_refused() {
    let (message, _) = refusal(&["n"], "SELECT COUNT(*) AS n FROM tb_ord_mst o");
    assert!(message.contains("has no key"), "{message}");
}

#[test]
fn a_key_column_that_the_select_does_not_give_is_refused() {
    let (message, _) = refusal(&["order_id"], "SELECT o.ord_no FROM tb_ord_mst o");
    assert!(message.contains("key names column order_id"), "{message}");
}

#[test]
fn branches_that_only_differ_in_how_the_constant_is_signed_are_refused() {
    let catalog = shop_catalog::shop("");
    let sql = "SELECT o.ord_no, 1 AS kind FROM tb_ord_mst o UNION ALL SELECT o.ord_no, 2 AS kind FROM tb_ord_mst o";
    let mut input = table(&catalog, "t", &["ord_no", "kind"], sql);
    assert!(plan(&catalog, vec![table(&catalog, "t", &["ord_no", "kind"], sql)]).is_ok());
    for (branch, value) in input.query.branches.iter_mut().zip([Value::Int(1), Value::UInt(1)]) {
        branch.select.outputs[1].kind = ExprKind::Literal(value);
    }
    let findings = plan(&catalog, vec![input]).unwrap_err();
    assert!(findings[0].message.contains("two branches"), "{findings:?}");
}

/// The optimizers of both servers drop the rows without a customer: what they believe of a function of NULL is not so.
#[test]
fn a_condition_that_the_source_takes_for_null_where_a_left_joined_row_is_missing_is_refused() {
    let from = "SELECT o.ord_no FROM tb_ord_mst o LEFT JOIN tb_cust c ON c.cust_no = o.cust_no";
    for condition in ["FIELD(c.cust_nm, 'a') = 0", "MAKE_SET(3, 'a', c.cust_nm) LIKE 'a%'", "NOT (ELT(1, 'a', c.cust_nm) = 'b')"]
    {
        let (message, under) = refusal(&["ord_no"], &format!("{from} WHERE {condition}"));
        assert!(message.contains("takes this for NULL"), "{condition}: {message}");
        assert!(under.contains("c.cust_nm"), "{under}");
    }
    let catalog = shop_catalog::shop("");
    for condition in ["CASE WHEN c.cust_nm IS NULL THEN 0 ELSE FIELD(c.cust_nm, 'a') END = 0", "FIELD(o.ord_st_cd, 'a') = 0"] {
        plan(&catalog, vec![table(&catalog, "t", &["ord_no"], &format!("{from} WHERE {condition}"))]).unwrap();
    }
}
