//! The example shop's mapping planned whole, and every refusal with its reason.

mod foreign;
mod refused;
#[allow(clippy::duplicate_mod, reason = "the binder's tests read the same example")]
#[path = "../../sql/bind/tests/catalog.rs"]
mod shop_catalog;

use std::collections::BTreeMap;

use crate::plan::{Builder, MappingInput, Plan, PlanFinding, Policies, TableInput};
use crate::schema::SourceCatalog;
use crate::sql::bind;

/// A target table declared by its key alone.
pub(super) fn table(catalog: &SourceCatalog, name: &str, key: &[&str], sql: &str) -> TableInput {
    TableInput {
        schema: None,
        name: name.to_owned(),
        description: String::new(),
        key: key.iter().map(|name| (*name).to_owned()).collect(),
        indexes: vec![],
        columns: BTreeMap::new(),
        sql: sql.to_owned(),
        query: bind(sql, catalog).unwrap_or_else(|refused| panic!("{sql}\n{refused:#?}")),
    }
}

/// The plan of one mapping, or its findings.
pub(super) fn plan(catalog: &SourceCatalog, tables: Vec<TableInput>) -> Result<Plan, Vec<PlanFinding>> {
    let mut builder = Builder::new(catalog);
    builder.mapping(MappingInput {
        name: "test".to_owned(),
        target: crate::schema::TargetKind::PostgreSql,
        policies: Policies::default(),
        tables,
        facts: vec![],
    })?;
    Ok(builder.finish())
}

fn shop_plan(catalog: &SourceCatalog) -> Plan {
    let keys: [(&str, &[&str]); 3] =
        [("orders", &["order_id"]), ("order_lines", &["order_id", "line_no"]), ("payments", &["order_id", "kind", "entry_no"])];
    let selects = shop_catalog::example_selects();
    let tables = keys.iter().zip(&selects).map(|((name, key), sql)| table(catalog, name, key, sql)).collect();
    plan(catalog, tables).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

fn anchor_names(plan: &Plan) -> Vec<Vec<String>> {
    let name = |branch: &crate::plan::BranchPlan| {
        let (alias, _) = branch.anchor.members().next().unwrap();
        branch.branch.aliases[alias.0].name.clone()
    };
    plan.nodes.iter().map(|node| node.branches.iter().map(name).collect()).collect()
}

#[test]
fn the_example_mapping_is_anchored_on_orders_lines_and_payments() {
    let catalog = shop_catalog::shop("");
    let plan = shop_plan(&catalog);
    assert_eq!(anchor_names(&plan)[0], ["o"]);
    assert_eq!(anchor_names(&plan)[1], ["d"]);
    assert_eq!(anchor_names(&plan)[2][..3], ["p", "r", "u"]);
    for plan in &plan.tables {
        assert_eq!(plan.identity_kinds.len(), plan.layout.identity.iter().flatten().count(), "{}", plan.layout.name);
    }
}

#[test]
fn every_stored_alias_of_the_example_has_a_walk_and_only_read_columns_are_stored() {
    let catalog = shop_catalog::shop("");
    let plan = shop_plan(&catalog);
    for branch in plan.nodes.iter().flat_map(|node| &node.branches) {
        let stored = branch.branch.aliases.iter().filter(|definition| definition.table.is_some()).count();
        assert_eq!(branch.walks.len(), stored);
    }
    let orders = plan.tables.iter().find(|table| table.layout.name.name == "tb_ord_mst").unwrap();
    assert!(orders.layout.columns.len() < orders.schema.columns.len());
}

#[test]
fn a_reformatted_mapping_keeps_its_fingerprint_and_a_changed_one_loses_it() {
    let catalog = shop_catalog::shop("");
    let fingerprint = |sql: &str| {
        let plan = plan(&catalog, vec![table(&catalog, "t", &["order_id"], sql)]).unwrap();
        plan.fingerprint(crate::plan::MappingId(0))
    };
    let first = fingerprint("SELECT o.ord_no AS order_id, o.dlv_amt AS fee FROM tb_ord_mst o WHERE o.del_yn = 'N'");
    assert_eq!(first, fingerprint("select  o.ord_no AS order_id,\n  o.dlv_amt AS fee\nFROM tb_ord_mst o where o.del_yn='N'"));
    assert_ne!(first, fingerprint("SELECT o.ord_no AS order_id, o.dlv_amt AS fee FROM tb_ord_mst o WHERE o.del_yn = 'Y'"));
}

#[test]
fn anchors_are_apart_where_the_key_shows_what_they_are() {
    let catalog = shop_catalog::shop("");
    // Rows of a UNION ALL may hand a key from one branch to another, so that one branch gives away what the other took before.
    let apart: Vec<bool> = shop_plan(&catalog).nodes.iter().map(|node| node.anchors_are_apart(&shop_plan(&catalog))).collect();
    assert_eq!(apart, [true, true, false]);
    let is_apart = |key: &[&str], sql: &str| {
        let plan = plan(&catalog, vec![table(&catalog, "t", key, sql)]).unwrap_or_else(|findings| panic!("{findings:#?}"));
        plan.nodes[0].anchors_are_apart(&plan)
    };
    assert!(!is_apart(&["customer"], "SELECT o.cust_no AS customer, COUNT(*) AS n FROM tb_ord_mst o GROUP BY o.cust_no"));
    assert!(is_apart(&["id", "fee"], "SELECT o.ord_no AS id, o.dlv_amt AS fee FROM tb_ord_mst o"));
    assert!(is_apart(&["id"], "SELECT CONCAT('A', o.ord_no) AS id FROM tb_ord_mst o"));
}

#[test]
fn the_example_explains_itself() {
    let catalog = shop_catalog::shop("");
    insta::assert_snapshot!(shop_plan(&catalog).explain());
}
