//! Mapping files that are right, and those that are wrong in every way a hand slips.

mod broken;
mod places;

use std::sync::Arc;

use super::{Mapping, Problem, SourceFile, ZeroDatePolicy};

/// A right mapping; the cases change one place of it.
pub(super) const RIGHT: &str = r#"version: 1
mapping: order-service
owner: 주문팀
source: erp
target: order-db
schema: public
tables:
  orders:
    description: 주문 한 건에 한 줄
    key: [order_id]
    sql: |
      SELECT o.ord_no AS order_id, c.cust_nm AS 고객명
        FROM tb_ord_mst o
        JOIN tb_cust c ON c.cust_no = o.cust_no
    columns:
      고객명: { description: "이름 (고객)" }
    indexes: [[고객명]]
policies:
  zero_date: "null"
"#;

pub(super) fn file(text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { path: "mappings/order.yaml".to_owned(), text: text.to_owned() })
}

pub(super) fn pictures(problems: &[Problem]) -> String {
    let pictures: Vec<String> = problems.iter().map(|problem| problem.picture(false)).collect();
    pictures.join("\n\n")
}

#[test]
fn a_right_file_becomes_a_mapping() {
    let mapping = Mapping::parse(file(RIGHT)).unwrap();
    assert_eq!(mapping.name.value, "order-service");
    assert_eq!(mapping.owner.as_deref(), Some("주문팀"));
    assert_eq!(mapping.policies.zero_date, ZeroDatePolicy::Null);
    assert!(mapping.refused.is_empty() && mapping.facts.is_empty());
    let [table] = &mapping.tables[..] else { panic!("one table") };
    assert_eq!(table.key.value, ["order_id"]);
    assert_eq!(table.description, "주문 한 건에 한 줄");
    assert_eq!(table.columns["고객명"].value.description, "이름 (고객)");
    assert_eq!(table.indexes[0].value, ["고객명"]);
    assert!(table.sql.text.starts_with("SELECT o.ord_no AS order_id"));
}

#[test]
fn what_is_refused_is_kept_with_the_mapping() {
    let text = RIGHT
        .replace(r#"description: "이름 (고객)""#, "pii: name, mask: hmac_sha256")
        .replace("policies:\n", "policies:\n  invalid_text: quarantine\n");
    let mapping = Mapping::parse(file(&text)).unwrap();
    assert_eq!(mapping.refused.len(), 3);
    assert!(mapping.refused.iter().all(|problem| problem.class == crate::error::Class::Preflight));
}
