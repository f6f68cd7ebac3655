//! What the commands answer: `status`, `plan`, `reset`, `--help`.

use super::{caught_up, on_mariadb, project};

#[tokio::test]
async fn status_answers_with_and_without_an_engine() {
    let (_pair, project) = on_mariadb!(project, "status");
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.strangler(&["status"]).await.expect(0).names(&["small", "live"]);
    let ended = project.strangler(&["status", "--format", "json"]).await.expect(0);
    let running: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(running["format_version"], 1, "{running}");
    assert_eq!(engine.interrupt().await, Some(130));
    project.strangler(&["status"]).await.expect(0).names(&["small"]);
    let ended = project.strangler(&["status", "--format", "json"]).await.expect(0);
    let alone: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(alone["format_version"], 1, "{alone}");
}

#[tokio::test]
async fn plan_shows_joins_indexes_and_the_definition_that_run_creates() {
    let (_pair, project) = on_mariadb!(project, "plan");
    let ended = project.strangler(&["plan"]).await.expect(0).names(&["s_ord", "s_cust", "cust_no", "CREATE TABLE"]);
    assert!(!project.state().join("store").exists());
    // Run by hand, the printed definition is accepted as declared.
    let definition = ended.stdout.split_once("CREATE TABLE").map(|(_, rest)| rest).unwrap();
    assert!(definition.contains("order_no") && definition.contains("numeric(10,2)"), "{}", ended.stdout);
}

#[tokio::test]
async fn reset_shows_first_and_forgets_only_when_told() {
    let (_pair, project) = on_mariadb!(caught_up, "reset");
    let checkpoints = "SELECT COUNT(*)::text FROM strangler.checkpoint";
    let shown = project.strangler(&["reset"]).await;
    assert!(matches!(shown.code, Some(0 | 2)), "{:?}\n{}", shown.code, shown.text());
    shown.names(&["small", "--execute"]);
    assert_eq!(project.ask_service(checkpoints).await, "1");
    project.strangler(&["verify"]).await.expect(0);
    project.strangler(&["reset", "--execute"]).await.expect(0);
    assert_eq!(project.ask_service(checkpoints).await, "0");
    // The rows are the service's own: they stay.
    assert_eq!(project.ask_service("SELECT COUNT(*)::text FROM orders").await, "5");
}

#[tokio::test]
async fn help_lists_only_what_works() {
    let (_pair, project) = on_mariadb!(project, "help");
    let ended = project
        .strangler(&["--help"])
        .await
        .expect(0)
        .names(&["check", "plan", "run", "status", "diff", "verify", "reset", "demo"]);
    for later in ["cutover", "draft", "repair"] {
        assert!(!ended.stdout.contains(&format!("  {later}")), "{later} is listed\n{}", ended.stdout);
    }
}

#[tokio::test]
async fn until_caught_up_ends_on_an_idle_source() {
    let (_pair, project) = on_mariadb!(caught_up, "idle");
    for _ in 0..3 {
        project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    }
    assert_eq!(project.settle().await, 8);
}
