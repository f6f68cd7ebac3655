//! The example shop with its own mapping: ordering, paying, shipping, cancelling and re-keying go on while it moves.

use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, shared};
use crate::support::{rounds, seed};
use strangler::demo::shop::{ShopOptions, Writer, load};

/// A project over a loaded shop of `orders` orders.
pub async fn project(pair: &Pair, test: &str, orders: u32) -> Project {
    let project = Project::new(pair, test).await;
    let options = ShopOptions { orders, seed: 3, connections: 2 };
    load(project.source_url(), options).await.unwrap();
    let mapping = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/homeshop/mappings/order-service.yaml");
    project.write("mappings/order-service.yaml", &std::fs::read_to_string(mapping).unwrap());
    project
}

async fn moves(pair: &Pair, test: &str, orders: u32, transactions: u64) {
    let project = project(pair, test, orders).await;
    let mut writer = Writer::connect(project.source_url(), seed(test)).await.unwrap();
    project.strangler(&["check"]).await.expect(0);
    let mut engine = project.start(&[]);
    writer.step(transactions / 2).await.unwrap();
    project.until_live(&mut engine).await;
    // verify compares while both sides move: what moves under it is not a difference.
    let ((), verified) = tokio::join!(async { writer.step(transactions).await.unwrap() }, project.strangler(&["verify"]),);
    verified.expect(0);
    writer.step(transactions / 2).await.unwrap();
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    eprintln!("{test}: {:?}", writer.counts());
    let rows = project.settle().await;
    assert!(rows > orders as usize * 3, "only {rows} rows compared");
    project.strangler(&["verify"]).await.expect(0);
    project.strangler(&["diff"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_moves_from_mariadb() {
    let Some(pair) = shared(Kind::MariaDb).await else { return };
    moves(&pair, "shop_mariadb", rounds(1_500, 20_000) as u32, rounds(600, 6_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_moves_from_mysql() {
    let Some(pair) = shared(Kind::MySql).await else { return };
    moves(&pair, "shop_mysql", rounds(600, 10_000) as u32, rounds(300, 4_000)).await;
}

/// What was written while no engine ran is derived many transactions at a time, and is what the source's own SELECT gives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_caught_up_in_few_large_epochs() {
    let Some(pair) = shared(Kind::MariaDb).await else { return };
    let project = project(&pair, "shop_backlog", 400).await;
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    let sequence = || async { project.ask_service("SELECT seq::text FROM strangler.checkpoint").await.parse::<u64>().unwrap() };
    let before = sequence().await;
    let transactions = rounds(3_000, 30_000);
    Writer::connect(project.source_url(), seed("shop_backlog")).await.unwrap().step(transactions).await.unwrap();
    let rows = project.settle().await;
    assert!(rows > 1_200, "only {rows} rows compared");
    let epochs = sequence().await - before;
    assert!(epochs < transactions / 10, "{epochs} epochs for {transactions} transactions");
    eprintln!("shop_backlog: {epochs} epochs");
}
