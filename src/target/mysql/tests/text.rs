//! Statement text, reviewed.

use super::super::{definition, encode, sql};
use super::*;

fn orders() -> TargetTable {
    let text = |length: u32| MySqlType::Varchar { length, collation: "utf8mb4_unicode_ci".into() };
    let code = MySqlType::Varchar { length: 12, collation: "utf8mb4_0900_bin".into() };
    let mut table = table(
        "orders",
        2,
        &[
            ("shop`s", MySqlType::Integer { bits: 32, unsigned: true }),
            ("code", code),
            ("status", text(20)),
            ("amount", MySqlType::Decimal { precision: 15, scale: 2 }),
        ],
    );
    table.schema = Some("sales".into());
    table.indexes = vec![vec![2, 1]];
    table.description = "One row per order; the buyer's".into();
    table.columns[3].description = "Won, tax included".into();
    table
}

#[test]
fn definitions_are_as_reviewed() {
    let table = orders();
    assert_eq!(
        definition::target_table(&table),
        "CREATE TABLE `sales`.`orders` (\n  `shop``s` int unsigned NOT NULL,\n  `code` varchar(12) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,\n  \
         `status` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,\n  `amount` decimal(15,2) COMMENT 'Won, tax included',\n  \
         PRIMARY KEY (`shop``s`, `code`)\n) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COMMENT='One row per order; the buyer''s'"
    );
    let name = definition::index_name(&table, &table.indexes[0]);
    assert_eq!(
        definition::index(&table, &table.indexes[0], &name),
        "CREATE INDEX `ix_status_code` ON `sales`.`orders` (`status`, `code`)"
    );
}

#[test]
fn row_statements_are_as_reviewed() {
    let table = orders();
    assert_eq!(
        format!("{}(..){}", sql::insert_head(&table), sql::overwrite_tail(&table, TargetKind::MySql)),
        "INSERT INTO `sales`.`orders` (`shop``s`, `code`, `status`, `amount`) VALUES (..) AS strangler_new ON DUPLICATE KEY UPDATE \
         `status` = strangler_new.`status`, `amount` = strangler_new.`amount`"
    );
    assert_eq!(
        sql::overwrite_tail(&table, TargetKind::MariaDb),
        " ON DUPLICATE KEY UPDATE `status` = VALUE(`status`), `amount` = VALUE(`amount`)"
    );
    let keys = [vec!["1".to_owned(), "'a'".to_owned()], vec!["2".to_owned(), "'b'".to_owned()]];
    assert_eq!(
        format!("{}{}", sql::delete_head(&table), sql::is_any_of(&table, &keys)),
        "DELETE FROM `sales`.`orders` WHERE (`shop``s` = 1 AND `code` = 'a') OR (`shop``s` = 2 AND `code` = 'b')"
    );
    assert_eq!(
        sql::select_after(&table, Some(&keys[0]), 9),
        "SELECT `shop``s`, `code`, `status`, `amount` FROM `sales`.`orders` WHERE `shop``s` >= 1 AND (`shop``s` > 1 OR (`code` > 'a')) \
         ORDER BY `shop``s`, `code` LIMIT 9"
    );
}

#[test]
fn f79_hostile_text_is_one_literal_under_every_sql_mode() {
    for text in ["'", "\\", "\\' OR 1=1 -- ", "\0", "\n", "a\u{1a}b"] {
        let literal = sql::text_literal(text);
        assert!(literal.starts_with("_utf8mb4 X'"), "{literal}");
        assert!(literal.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_ '".contains(&byte)), "{literal}");
    }
    assert_eq!(sql::text_literal("주문 \"1\" -- # /* ? :x"), "'주문 \"1\" -- # /* ? :x'");
    assert_eq!(sql::quoted("a`b"), "`a``b`");
}

#[test]
fn a_value_of_another_type_is_a_bug_without_the_value() {
    let table = orders();
    let error = encode::literal(&table, &table.columns[0], &Value::text("secret")).unwrap_err();
    assert_eq!(error.class(), crate::error::Class::Bug);
    assert!(!format!("{error:?}").contains("secret"));
    let zero = Value::Date(crate::value::Date::ZERO);
    assert!(encode::literal(&table, &super::table("d", 0, &[("d", MySqlType::Date)]).columns[0], &zero).is_err());
}
