//! The example that joins a MariaDB ERP with a PostgreSQL CRM, run as its README says.

use std::time::Duration;

use super::House;

fn example(path: &str) -> String {
    std::fs::read_to_string(format!("{}/examples/desk/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_desk_is_filled_from_both_and_followed() {
    let Some(house) = House::new("two_desk").await else { return };
    let (project, name) = (&house.project, &house.project.name);
    let file = example("strangler.yaml");
    for expected in ["strangler_src@127.0.0.1:3306/erp", "strangler_src@127.0.0.1:5432/crm", "strangler_dst@127.0.0.1:5432/desk"]
    {
        assert!(file.contains(expected), "{expected}");
    }
    let file = file
        .replace("strangler_src@127.0.0.1:3306/erp", &format!("{name}@127.0.0.1:{}/{name}", house.pair.source.port()))
        .replace("strangler_src@127.0.0.1:5432/crm", &format!("src@127.0.0.1:{}/crm", house.crm.port()))
        .replace("strangler_crm", "crm_out")
        .replace("strangler_dst@127.0.0.1:5432/desk", &format!("{name}@127.0.0.1:{}/{name}", house.pair.target.port()))
        .replace("CRM_PASSWORD", "MEMBERS_PASSWORD")
        .replace("DESK_PASSWORD", "ORDERS_PASSWORD");
    project.write("strangler.yaml", &file);
    project.write("mappings/desk.yaml", &example("mappings/desk.yaml"));
    for statement in example("schema.erp.sql").split(";\n").filter(|statement| !statement.trim().is_empty()) {
        project.legacy(&[statement]).await;
    }
    house.crm_tables(&example("schema.crm.sql"), "ticket, consent").await;
    project.strangler(&["check"]).await.expect(0);
    project.strangler(&["plan"]).await.expect(0).names(&["crm.public.ticket", "tickets"]);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    let changes = example("changes.erp.sql");
    let statements: Vec<&str> = changes.split(";\n").filter(|statement| !statement.trim().is_empty()).collect();
    project.legacy(&statements).await;
    house.crm.execute("crm", &example("changes.crm.sql")).await.unwrap();
    project.strangler(&["verify"]).await.expect(0);
    // What neither mapping reads moves the CRM's log on and on; nobody is behind for that.
    house.crm.execute("crm", "CREATE TABLE noise (n int)").await.unwrap();
    for _ in 0..20 {
        house.crm.execute("crm", "INSERT INTO noise VALUES (1)").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let status = project.status().unwrap();
        assert_eq!(status["mappings"][0]["lag_ms"], 0, "{status}");
    }
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    let rows = |table: &str, columns: &str| {
        format!("SELECT string_agg(line, '; ' ORDER BY line) FROM (SELECT concat_ws(' ', {columns}) AS line FROM {table}) lines")
    };
    assert_eq!(
        project.ask_service(&rows("tickets", "ticket_no, is_open, member_name, spent")).await,
        "1 0 김민아 200.50; 2 0 김민아 200.50; 3 1 최지우 700.00; 4 1 이준호 33.30"
    );
    assert_eq!(project.ask_service(&rows("members", "member_no, open_tickets, consents")).await, "1 0 1; 2 1 1; 3 0 0; 9 1 1");
}
