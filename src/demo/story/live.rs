//! Changes in the legacy database, followed into the service with a clock.

use std::time::{Duration, Instant};

use super::failure::{StoryError, Told};
use super::order::NUMBER;
use super::screen::Screen;
use super::stage::Stage;

/// How long a change may take to arrive before the demo calls it lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A change and how it is seen.
struct Change {
    /// What happens, in words.
    what: &'static str,
    /// The transaction of the old application.
    statements: Vec<String>,
    /// Over the service's tables: how many rows show the change, and whether a reader sees only a part of it.
    seen: String,
}

/// Three changes of very different reach.
pub async fn follow_changes(stage: &mut Stage, screen: &Screen) -> Told {
    for change in changes() {
        let (rows, elapsed) = follow(stage, &change).await?;
        let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        screen.good(&format!("{}: {rows}, {} ms", change.what, elapsed.as_millis()));
    }
    Ok(())
}

fn changes() -> Vec<Change> {
    const RENAMED: &str = "status = '배송 완료'";
    vec![
        Change {
            what: "one code is renamed in tb_cmm_cd",
            statements: vec!["UPDATE tb_cmm_cd SET cd_nm = '배송 완료' WHERE cd_grp = 'ORD_ST' AND cd = '50'".to_owned()],
            seen: format!(
                "SELECT count(*) FILTER (WHERE {RENAMED}), bool_or({RENAMED}) AND NOT bool_and({RENAMED}) FROM orders WHERE status_code = '50'"
            ),
        },
        Change {
            what: "a member changes her name and the spelling of her id",
            statements: vec![
                "UPDATE tb_cust SET cust_nm = '김영희(개명)' WHERE cust_no = 900001".to_owned(),
                "UPDATE tb_mbr SET mbr_id = 'YOUNGHEE.kim ' WHERE mbr_id = 'younghee.kim'".to_owned(),
            ],
            seen: format!(
                "SELECT count(*) FILTER (WHERE customer_name = '김영희(개명)' AND member_id = 'YOUNGHEE.KIM '), \
                 bool_or((customer_name = '김영희(개명)') <> (member_id = 'YOUNGHEE.KIM ')) FROM orders WHERE order_id = '{NUMBER}'"
            ),
        },
        Change {
            what: "an order is shipped: four tables, one transaction",
            statements: vec![
                format!("UPDATE tb_ord_mst SET ord_st_cd = '40' WHERE ord_no = '{NUMBER}'"),
                format!("UPDATE tb_ord_dtl SET qty = 3, dtl_st_cd = '30' WHERE ord_no = '{NUMBER}' AND ord_seq = 1"),
                format!("INSERT INTO tb_ord_hist VALUES ('{NUMBER}', 3, '40', '2026-03-16 09:00:00', 'E00002')"),
                format!("UPDATE tb_dlv SET out_dt = '20260316', dlv_st_cd = '20' WHERE ord_no = '{NUMBER}' AND dlv_seq = 1"),
            ],
            seen: format!(
                "SELECT count(*) FILTER (WHERE o.status_code = '40' AND o.last_changed_at = '2026-03-16 09:00:00' AND l.quantity = 3 AND l.shipped_on = '2026-03-16'), \
                 bool_or((o.status_code = '40') <> (l.quantity = 3)) \
                 FROM orders o JOIN order_lines l ON l.order_id = o.order_id AND l.line_no = 1 WHERE o.order_id = '{NUMBER}'"
            ),
        },
    ]
}

/// Commits a change and waits until a reader of the service sees it, who must never see half of it.
async fn follow(stage: &mut Stage, change: &Change) -> Told<(i64, Duration)> {
    stage.shop_writes(&change.statements).await?;
    let committed = Instant::now();
    let statement = stage.service.prepare(&change.seen).await.map_err(StoryError::sql("prepare to watch the service"))?;
    loop {
        let row = stage.service.query_one(&statement, &[]).await.map_err(StoryError::sql("watch the service"))?;
        let changed: i64 = row.try_get(0).map_err(StoryError::sql("watch the service"))?;
        let half: Option<bool> = row.try_get(1).map_err(StoryError::sql("watch the service"))?;
        if half == Some(true) {
            return Err(StoryError::Unexpected(format!("{}: a reader of the service saw half of it", change.what)));
        }
        if changed > 0 {
            return Ok((changed, committed.elapsed()));
        }
        if committed.elapsed() > PATIENCE {
            return Err(StoryError::Unexpected(format!("{}: not in the service after {} s", change.what, PATIENCE.as_secs())));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until the engine has followed the shop to where it is now: a mark is written and seen.
pub async fn caught_up(stage: &mut Stage, mark: u32) -> Told<Duration> {
    let change = Change {
        what: "a mark",
        statements: vec![format!("UPDATE tb_ord_mst SET rcv_hp_no = '02-{mark:04}' WHERE ord_no = '{NUMBER}'")],
        seen: format!(
            "SELECT count(*) FILTER (WHERE receiver_phone = '02{mark:04}'), false FROM orders WHERE order_id = '{NUMBER}'"
        ),
    };
    follow(stage, &change).await.map(|(_, elapsed)| elapsed)
}
