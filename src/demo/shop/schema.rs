//! The files of `examples/homeshop/` as text, and the schema as single statements.

/// The shop's tables: `CREATE TABLE` statements for MariaDB and MySQL.
pub const SCHEMA: &str = include_str!("../../../examples/homeshop/schema.sql");

/// The mapping file of the order service.
pub const ORDER_SERVICE_MAPPING: &str = include_str!("../../../examples/homeshop/mappings/order-service.yaml");

/// The statements of [`SCHEMA`] without comments.
pub(super) fn statements() -> Vec<String> {
    let code: Vec<&str> = SCHEMA.lines().filter(|line| !line.starts_with("--")).collect();
    code.join("\n").split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_thirty_create_table_statements() {
        let statements = statements();
        assert_eq!(statements.len(), 30);
        assert!(statements.iter().all(|statement| statement.starts_with("CREATE TABLE tb_")));
    }
}
