//! Northwind, from PostgreSQL to each kind of service database, while pgbench writes as the company's own program does.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use fastrand::Rng;

use super::file;
use crate::support::project::Project;
use crate::support::servers::{Database, Pair, own_pair};
use crate::support::{rounds, seed};

async fn project(pair: &Pair, test: &str, project_file: &str) -> Project {
    let project = Project::new(pair, test).await;
    let name = &project.name;
    let text = file("northwind", project_file);
    let target = ["5432/sales", "3306/sales"].map(|address| format!("strangler_dst@127.0.0.1:{address}"));
    assert!(text.contains("strangler_src@127.0.0.1:5432/northwind") && target.iter().any(|address| text.contains(address)));
    let moved = target
        .iter()
        .fold(text, |text, address| text.replace(address, &format!("{name}@127.0.0.1:{}/{name}", pair.target.port())));
    let source = format!("{name}@127.0.0.1:{}/{name}", pair.source.port());
    project.write("strangler.yaml", &moved.replace("strangler_src@127.0.0.1:5432/northwind", &source));
    project.write("mappings/sales.yaml", &file("northwind", "mappings/sales.yaml"));
    project.legacy(&[&file("northwind", "schema.sql"), "CREATE PUBLICATION northwind_out FOR ALL TABLES"]).await;
    project
}

/// pgbench beside the server's own programs.
fn pgbench() -> PathBuf {
    if let Some(folder) = std::env::var_os("STRANGLER_PG_BIN") {
        return PathBuf::from(folder).join("pgbench");
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin/pgbench")).filter(|program| program.is_file());
    programs.max().unwrap_or_else(|| "pgbench".into())
}

/// The company's own program, from four sessions.
fn load(pair: &Pair, project: &Project) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/northwind/load.pgbench");
    let (port, transactions) = (pair.source.port().to_string(), rounds(100, 2_000).to_string());
    Command::new(pgbench())
        .args(["-n", "-c", "4", "-R", "60", "--max-tries=20", "-h", "127.0.0.1", "-U", "postgres", "-f", script])
        .args(["-p", &port, "-t", &transactions, &project.name])
        .env("PGPASSWORD", pair.source.password())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What else happens at the company: orders come, are sent and grow; people, prices and shippers change beside them.
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

async fn moves(target: Database, test: &str, project_file: &str) {
    let Some(pair) = own_pair(Database::Postgres, target).await else { return };
    let project = project(&pair, test, project_file).await;
    project.strangler(&["check"]).await.expect(0);
    let plan = project.strangler(&["plan"]).await.expect(0);
    assert!(plan.stdout.contains("kept up row by row"), "{}", plan.stdout);
    let loaded = load(&pair, &project);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(&[&file("northwind", "changes.sql")]).await;
    let mut rng = Rng::with_seed(seed(test));
    let mut orders = 10_259;
    for _ in 0..rounds(60, 1_000) {
        let statements: Vec<String> = (0..rng.usize(1..4)).flat_map(|_| transaction(&mut rng, &mut orders)).collect();
        // pgbench may win a row or a deadlock.
        let _ = project.source_client().await.batch_execute(&format!("BEGIN; {}; COMMIT", statements.join("; "))).await;
    }
    // Verified while both sides move.
    project.strangler(&["verify", "--full-scan"]).await.expect(0);
    let loaded = tokio::task::spawn_blocking(move || loaded.wait_with_output().unwrap()).await.unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    let rows = project.settle().await;
    assert!(rows > 400, "{rows} rows");
    project.strangler(&["verify", "--full-scan"]).await.expect(0);
    project.strangler(&["diff"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn northwind_moves_from_postgresql_to_postgresql_under_pgbench() {
    moves(Database::Postgres, "northwind", "strangler.yaml").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn northwind_moves_from_postgresql_to_mariadb_under_pgbench() {
    moves(Database::MARIADB, "northwind_mariadb", "to-mariadb.yaml").await;
}
