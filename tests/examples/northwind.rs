//! Northwind, from PostgreSQL to PostgreSQL.

use std::time::Duration;

use fastrand::Rng;
use strangler::demo::servers::{Postgres, ServerError, ServerOptions};

use super::file;
use crate::support::oracle::MappingFile;
use crate::support::program::{Ended, Running, command, run};
use crate::support::seed;

const PASSWORD: &str = "Only-For-Tests-1";

/// The company and the service on one server, with the roles of the README.
struct Company {
    server: Postgres,
    folder: tempfile::TempDir,
}

impl Company {
    async fn new() -> Option<Self> {
        let server = match Postgres::start(ServerOptions::with_args(["-csynchronous_commit=on"])).await {
            Ok(server) => server,
            Err(missing @ ServerError::Missing { .. }) => {
                assert!(std::env::var_os("STRANGLER_REQUIRE_DB").is_none_or(|value| value != "1"), "{missing}");
                eprintln!("SKIPPED: {missing}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let roles = format!(
            "CREATE ROLE strangler_src LOGIN REPLICATION PASSWORD '{PASSWORD}'; CREATE ROLE strangler_dst LOGIN PASSWORD '{PASSWORD}'"
        );
        server.execute("postgres", &roles).await.unwrap();
        server.execute("postgres", "CREATE DATABASE northwind").await.unwrap();
        server.execute("postgres", "CREATE DATABASE sales OWNER strangler_dst").await.unwrap();
        server.execute("northwind", &file("northwind", "schema.sql")).await.unwrap();
        let publish =
            "CREATE PUBLICATION northwind_out FOR ALL TABLES; GRANT SELECT ON ALL TABLES IN SCHEMA public TO strangler_src";
        server.execute("northwind", publish).await.unwrap();
        let company = Self { server, folder: tempfile::tempdir().unwrap() };
        let project = file("northwind", "strangler.yaml");
        assert_eq!(project.matches("127.0.0.1:5432").count(), 2);
        company.write("strangler.yaml", &project.replace(":5432/", &format!(":{}/", company.server.port())));
        company.write("mappings/sales.yaml", &file("northwind", "mappings/sales.yaml"));
        Some(company)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let variables = ["NORTHWIND_PASSWORD", "SALES_PASSWORD"].map(|name| (name.to_owned(), PASSWORD.to_owned()));
        command(self.folder.path(), &variables, arguments)
    }

    async fn strangler(&self, arguments: &[&str]) -> Ended {
        let ended = tokio::time::timeout(Duration::from_secs(300), run(self.command(arguments))).await;
        ended.unwrap_or_else(|_| panic!("strangler {} is still running", arguments.join(" ")))
    }

    /// Both sides at rest: every row of every table, value for value in its text.
    async fn compare(&self) -> usize {
        let mapping: MappingFile = serde_saphyr::from_str(&file("northwind", "mappings/sales.yaml")).unwrap();
        let mut count = 0;
        for (name, table) in mapping.tables {
            let wanted = self.rows("northwind", &format!("SELECT to_jsonb(x)::text FROM ({}) x", table.sql)).await;
            let found = self.rows("sales", &format!("SELECT to_jsonb(x)::text FROM public.{name} x")).await;
            assert_eq!(wanted, found, "{name}");
            count += wanted.len();
        }
        count
    }

    async fn rows(&self, database: &str, sql: &str) -> Vec<String> {
        let client = self.server.connect(database).await.unwrap();
        let rows = client.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let mut rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        rows.sort();
        rows
    }
}

/// What the company does: orders come, are sent and grow; people, prices and shippers change beside them.
fn transaction(rng: &mut Rng, orders: &mut i64) -> Vec<String> {
    let mut pick = |words: &[&'static str]| words[rng.usize(..words.len())];
    let (order, product) = (pick(&["10248", "10249", "10250", "10251", "10260", "10261"]), pick(&["1", "2", "3", "4"]));
    let customer = pick(&["'ARIRG'", "'BLUEB'", "'CAFEZ'", "'NOORD'", "NULL"]);
    let (shipper, price) = (pick(&["1", "2", "3", "NULL"]), pick(&["18", "21.35", "9.2", "0.1"]));
    let discount = pick(&["0", "0.05", "0.15", "0.25"]);
    match pick(&["order", "order", "line", "line", "sent", "move", "drop", "name", "category", "territory"]) {
        "order" => {
            *orders += 1;
            let day = pick(&["2024-08-30", "2024-09-02", "2024-10-10"]);
            vec![
                format!(
                    "INSERT INTO orders (order_id, customer_id, employee_id, order_date, required_date, ship_via, freight) VALUES ({orders}, {customer}, 2, '{day}', '2024-10-01', {shipper}, {price})"
                ),
                format!("INSERT INTO order_details VALUES ({orders}, {product}, {price}, 5, {discount})"),
            ]
        }
        "line" => vec![format!(
            "INSERT INTO order_details SELECT {order}, {product}, {price}, 7, {discount} WHERE EXISTS (SELECT 1 FROM orders WHERE order_id = {order}) \
             ON CONFLICT (order_id, product_id) DO UPDATE SET quantity = order_details.quantity + 1, discount = EXCLUDED.discount"
        )],
        "sent" => vec![format!(
            "UPDATE orders SET shipped_date = '{}', ship_via = {shipper} WHERE order_id = {order}",
            pick(&["2024-09-03", "2024-10-05"])
        )],
        "move" => vec![format!("UPDATE orders SET customer_id = {customer}, freight = freight + 0.1 WHERE order_id = {order}")],
        "drop" => vec![
            format!(
                "DELETE FROM order_details WHERE order_id = {} OR order_id = {order} AND product_id = {product}",
                *orders - 2
            ),
            format!("DELETE FROM orders WHERE order_id = {}", *orders - 2),
        ],
        "name" => vec![
            format!(
                "UPDATE shippers SET company_name = '{}' WHERE shipper_id = {shipper}",
                pick(&["한라 택배", "Speedy", "United"])
            ),
            format!(
                "UPDATE employees SET reports_to = {}, last_name = last_name WHERE employee_id = 3",
                pick(&["1", "2", "NULL"])
            ),
        ],
        "category" => vec![format!(
            "UPDATE products SET category_id = {}, unit_price = {price} WHERE product_id = {product}",
            pick(&["1", "2", "3", "NULL"])
        )],
        _ => vec![
            format!("UPDATE territories SET region_id = {} WHERE territory_id = '01581'", pick(&["1", "2"])),
            format!("INSERT INTO employee_territories VALUES ({}, '98104') ON CONFLICT DO NOTHING", pick(&["1", "2", "3"])),
            "DELETE FROM employee_territories WHERE employee_id = 3".to_owned(),
        ],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn northwind_moves_from_postgresql_to_postgresql() {
    let Some(company) = Company::new().await else { return };
    company.strangler(&["check"]).await.expect(0);
    let plan = company.strangler(&["plan"]).await.expect(0);
    assert!(plan.stdout.contains("kept up row by row"), "{}", plan.stdout);
    company.strangler(&["run", "--until-caught-up"]).await.expect(0);
    let mut engine = Running::start(company.command(&["run"]), company.folder.path().join("run.log"));
    company.server.execute("northwind", &file("northwind", "changes.sql")).await.unwrap();
    let mut rng = Rng::with_seed(seed("northwind"));
    let mut orders = 10_259;
    for _ in 0..150 {
        let statements: Vec<String> = (0..rng.usize(1..4)).flat_map(|_| transaction(&mut rng, &mut orders)).collect();
        company.server.execute("northwind", &format!("BEGIN; {}; COMMIT", statements.join("; "))).await.unwrap();
    }
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    company.strangler(&["run", "--until-caught-up"]).await.expect(0);
    let rows = company.compare().await;
    assert!(rows > 80, "{rows} rows");
    company.strangler(&["verify", "--full-scan"]).await.expect(0);
    company.strangler(&["diff"]).await.expect(0);
}
