//! OpenCart 3, from MariaDB and MySQL to PostgreSQL.

use fastrand::Rng;

use super::file;
use crate::support::project::Project;
use crate::support::seed;
use crate::support::servers::{Kind, Pair, shared};

async fn project(pair: &Pair, test: &str) -> Project {
    let project = Project::new(pair, test).await;
    let name = &project.name;
    let text = file("opencart", "strangler.yaml");
    let addresses = [
        ("strangler_src@127.0.0.1:3306/opencart", format!("{name}@127.0.0.1:{}/{name}", pair.source.port())),
        ("strangler_dst@127.0.0.1:5432/orders", format!("{name}@127.0.0.1:{}/{name}", pair.target.port())),
    ];
    let text = addresses.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    project.write("strangler.yaml", &text);
    project.write("mappings/order-service.yaml", &file("opencart", "mappings/order-service.yaml"));
    project.legacy(&[&file("opencart", "schema.sql")]).await;
    project
}

/// What a shop does: orders come, are confirmed, change, and go; words and prices change beside them.
fn transaction(rng: &mut Rng, orders: &mut i64) -> Vec<String> {
    let mut pick = |words: &[&'static str]| words[rng.usize(..words.len())];
    let (order, product) = (pick(&["1001", "1002", "1003", "1004", "2000", "2001", "2002"]), pick(&["28", "29", "30"]));
    let status = pick(&["0", "1", "2", "3", "5", "7"]);
    let amount = pick(&["0.0000", "3.3333", "18.5000", "-10.0000", "32.9900"]);
    match pick(&["order", "order", "line", "status", "move", "word", "cancel", "total", "option", "stock"]) {
        "order" => {
            *orders += 1;
            let (customer, currency) = (pick(&["0", "1", "2", "3"]), pick(&["1, 'USD', 1.00000000", "2, 'KRW', 1371.25000000"]));
            let (language, month) = (pick(&["1", "2"]), pick(&["04", "05", "06"]));
            vec![
                format!(
                    "INSERT INTO oc_order SELECT {orders}, invoice_no, invoice_prefix, store_id, store_name, {customer}, customer_group_id, firstname, lastname, \
                     email, telephone, payment_country_id, payment_zone_id, payment_method, payment_code, shipping_firstname, shipping_lastname, \
                     shipping_address_1, shipping_city, shipping_postcode, shipping_country_id, shipping_zone_id, shipping_method, comment, {amount}, {status}, \
                     {language}, {currency}, ip, '2024-{month}-11 01:02:03', date_modified FROM oc_order WHERE order_id = 1001"
                ),
                format!(
                    "INSERT INTO oc_order_product (order_id, product_id, name, model, quantity, price, total, tax, reward) VALUES ({orders}, {product}, '차', 'M', 2, 1.1, 2.2, 0.11, 0)"
                ),
                format!(
                    "INSERT INTO oc_order_history (order_id, order_status_id, comment, date_added) VALUES ({orders}, {status}, '접수', '2024-06-01 00:00:00')"
                ),
            ]
        }
        "line" => vec![format!(
            "INSERT INTO oc_order_product (order_id, product_id, name, model, quantity, price, total, tax, reward) VALUES ({order}, {product}, 'Tea', 'M', 3, {amount}, 3 * {amount}, 0.5, 1)"
        )],
        "status" => {
            vec![format!("UPDATE oc_order SET order_status_id = {status}, total = total + 0.0001 WHERE order_id = {order}")]
        }
        "move" => vec![format!("UPDATE oc_order SET customer_id = {} WHERE order_id = {order}", pick(&["0", "1", "2", "3"]))],
        "word" => vec![
            format!(
                "UPDATE oc_order_status SET name = '{}' WHERE order_status_id = {status} AND language_id = 2",
                pick(&["대기", "완료", "보류"])
            ),
            format!(
                "UPDATE oc_customer SET language_id = 3 - language_id, email = UPPER(email) WHERE customer_id = {}",
                pick(&["1", "2", "3"])
            ),
        ],
        "cancel" => vec![
            format!("DELETE FROM oc_order_product WHERE order_id = {order} ORDER BY order_product_id LIMIT 1"),
            format!("DELETE FROM oc_order WHERE order_id = {}", *orders - 3),
        ],
        "total" => vec![format!(
            "INSERT INTO oc_order_total (order_id, code, title, value, sort_order) VALUES ({order}, '{}', '합계', {amount}, 3)",
            pick(&["tax", "shipping", "coupon", "voucher", "total"])
        )],
        "option" => vec![
            format!("UPDATE oc_order_option SET value = CONCAT(value, '!') WHERE order_product_id = {}", pick(&["1", "2", "3"])),
            format!(
                "INSERT INTO oc_order_option VALUES (NULL, {order}, {}, 11, 0, '포장', '보자기', 'text')",
                pick(&["1", "2", "3"])
            ),
        ],
        _ => vec![
            format!("UPDATE oc_product SET quantity = quantity - 1, status = 1 - status WHERE product_id = {product}"),
            format!(
                "UPDATE oc_order_product SET product_id = {product} WHERE order_product_id = {}",
                pick(&["1", "2", "3", "4"])
            ),
        ],
    }
}

async fn moves(pair: &Pair, test: &str) {
    let project = project(pair, test).await;
    project.strangler(&["check"]).await.expect(0);
    let plan = project.strangler(&["plan"]).await.expect(0);
    assert!(plan.stdout.contains("kept up row by row"), "{}", plan.stdout);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(&[&file("opencart", "changes.sql")]).await;
    let mut rng = Rng::with_seed(seed(test));
    let mut orders = 1_999;
    for _ in 0..150 {
        let mut statements = vec!["SET SESSION sql_mode = ''".to_owned(), "BEGIN".to_owned()];
        for _ in 0..rng.usize(1..4) {
            statements.extend(transaction(&mut rng, &mut orders));
        }
        statements.push("COMMIT".to_owned());
        project.legacy(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    project.strangler(&["verify", "--full-scan"]).await.expect(0);
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    let rows = project.settle().await;
    assert!(rows > 100, "{rows} rows");
    project.strangler(&["verify", "--full-scan"]).await.expect(0);
    project.strangler(&["diff"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opencart_moves_from_mariadb_to_postgresql() {
    let Some(pair) = shared(Kind::MariaDb).await else { return };
    moves(&pair, "opencart_mariadb").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opencart_moves_from_mysql_to_postgresql() {
    let Some(pair) = shared(Kind::MySql).await else { return };
    moves(&pair, "opencart_mysql").await;
}
