//! Broken mapping files, each with the picture that its writer sees.

use super::super::Mapping;
use super::{RIGHT, file, pictures};

/// Name, what is replaced in the right mapping, by what.
const CASES: &[(&str, &str, &str)] = &[
    ("version_absent", "version: 1\n", ""),
    ("version_two", "version: 1", "version: 2"),
    ("version_text", "version: 1", "version: \"1\""),
    ("name_absent", "mapping: order-service\n", ""),
    ("name_with_a_space", "order-service", "order service"),
    ("name_a_number", "order-service", "42"),
    ("name_empty", "order-service", ""),
    ("source_absent", "source: erp\n", ""),
    ("source_a_list", "source: erp", "source: [erp]"),
    ("source_and_sources", "source: erp", "source: erp\nsources: [erp, crm]"),
    ("sources_two", "source: erp", "sources: [erp, crm]\ndialect: mysql"),
    ("sources_two_without_dialect", "source: erp", "sources: [erp, crm]\ncollation: utf8mb4_bin"),
    ("sources_twice_the_same", "source: erp", "sources: [erp, erp]\ndialect: erp"),
    ("dialect_of_one_source", "source: erp", "source: erp\ndialect: erp"),
    ("collation_of_one_source", "source: erp", "sources: [erp]\ncollation: utf8mb4_bin"),
    ("target_absent", "target: order-db\n", ""),
    ("target_a_map", "target: order-db", "target: { name: order-db }"),
    ("unknown_key_at_the_top", "owner:", "ownr:"),
    ("unknown_key_without_a_near_one", "owner: 주문팀", "frequency: daily"),
    ("unknown_key_in_a_table", "    key:", "    keys:"),
    ("unknown_key_in_a_column_under_hangul", "{ description: \"이름 (고객)\" }", "{ descripton: \"이름 (고객)\" }"),
    ("unknown_key_in_policies", "zero_date: \"null\"", "zero_dates: \"null\""),
    ("duplicate_key_at_the_top", "schema: public\n", "schema: public\nowner: 또다른팀\n"),
    ("duplicate_table", "policies:\n", "  orders:\n    key: [a]\n    sql: SELECT 1\npolicies:\n"),
    ("duplicate_column_under_hangul", "    indexes:", "      고객명: { description: 다시 }\n    indexes:"),
    ("tables_absent", "tables:", "x-tables:"),
    ("tables_empty", "tables:\n", "tables: {}\nowner2:\n"),
    ("tables_a_list", "tables:\n  orders:\n", "tables:\n  - orders:\n"),
    ("table_empty", "policies:\n", "  payments:\npolicies:\n"),
    ("key_absent", "    key: [order_id]\n", ""),
    ("key_empty", "[order_id]", "[]"),
    ("key_text", "key: [order_id]", "key: order_id"),
    ("key_twice_the_same", "[order_id]", "[order_id, order_id]"),
    ("key_a_number", "[order_id]", "[1]"),
    ("sql_absent", "    sql: |\n", "    description: |\n"),
    (
        "sql_empty",
        "      SELECT o.ord_no AS order_id, c.cust_nm AS 고객명\n        FROM tb_ord_mst o\n        JOIN tb_cust c ON c.cust_no = o.cust_no\n",
        "",
    ),
    ("sql_a_list", "sql: |\n      SELECT", "sql:\n      - SELECT"),
    ("columns_a_list", "      고객명: {", "      - 고객명: {"),
    ("column_text", "{ description: \"이름 (고객)\" }", "이름"),
    ("column_type_a_number", "{ description: \"이름 (고객)\" }", "{ type: 15 }"),
    ("index_flat", "[[고객명]]", "[고객명]"),
    ("pii_without_a_mask", "{ description: \"이름 (고객)\" }", "{ pii: name }"),
    ("pii_with_a_mask", "{ description: \"이름 (고객)\" }", "{ pii: name, mask: hmac_sha256 }"),
    ("fact_of_unknown_kind", "policies:", "facts:\n  - foreign_key: { table: t }\npolicies:"),
    ("zero_date_unquoted_null", "\"null\"", "null"),
    ("zero_date_unknown", "\"null\"", "skip"),
    ("hot_change_unknown", "zero_date: \"null\"", "hot_change: later"),
    ("invalid_text_quarantine", "zero_date: \"null\"", "invalid_text: quarantine"),
    ("invalid_text_misspelt", "zero_date: \"null\"", "invalid_text: quarantin"),
    ("yaml_bad_indentation_under_hangul", "    key: [order_id]\n", "   key: [order_id]\n"),
    ("yaml_open_bracket", "[[고객명]]", "[[고객명]"),
    ("yaml_tab", "  zero_date", "\tzero_date"),
    ("yaml_alias", "owner: 주문팀", "owner: *team"),
    ("yaml_anchor", "owner: 주문팀", "owner: &team 주문팀"),
    ("yaml_tag", "owner: 주문팀", "owner: !team 주문팀"),
    ("yaml_merge_key", "    key: [order_id]\n", "    <<: { key: [order_id] }\n"),
    ("yaml_second_document", "policies:", "---\npolicies:"),
];

#[test]
fn every_broken_mapping_shows_its_place() {
    for (name, from, to) in CASES {
        assert!(RIGHT.contains(from), "{name}: the right mapping lost the place");
        let parsed = Mapping::parse(file(&RIGHT.replacen(from, to, 1)));
        let problems = match parsed {
            Ok(mapping) => mapping.refused,
            Err(problems) => problems,
        };
        assert!(!problems.is_empty(), "{name} was accepted");
        insta::assert_snapshot!(*name, pictures(&problems));
    }
}

#[test]
fn an_empty_file_is_refused() {
    let problems = Mapping::parse(file("")).unwrap_err();
    insta::assert_snapshot!("file_empty", pictures(&problems));
    assert!(Mapping::parse(file("# only a comment\n")).is_err());
    assert!(Mapping::parse(file("- a\n- b\n")).is_err());
}

#[test]
fn all_problems_of_a_file_come_at_once() {
    let text = RIGHT
        .replace("version: 1", "version: 3")
        .replace("    key: [order_id]\n", "")
        .replace("zero_date", "zero")
        .replace("owner", "ownr");
    let problems = Mapping::parse(file(&text)).unwrap_err();
    assert_eq!(problems.len(), 4);
    assert!(problems.is_sorted_by_key(|problem| problem.span.start));
}

#[test]
fn no_text_makes_the_reader_panic() {
    for end in 0..RIGHT.len() {
        if let Some(head) = RIGHT.get(..end) {
            let _ = Mapping::parse(file(head));
        }
        if let Some(tail) = RIGHT.get(end..) {
            let parsed = Mapping::parse(file(tail));
            parsed.err().into_iter().flatten().for_each(|problem| assert!(!problem.picture(false).is_empty()));
        }
    }
}
