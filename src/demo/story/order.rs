//! One order of the shop, followed through the whole story.
//!
//! It is written to the legacy tables before the backfill, under numbers that the shop's busy writer never draws, so that what the story says about
//! it stays true while everything else moves.

use mysql_async::prelude::Queryable;

use super::failure::{StoryError, Told};
use super::screen::Screen;
use super::stage::Stage;

/// Its number.
pub const NUMBER: &str = "H202603140000001";

/// What the old application writes when it is placed: eleven rows in nine tables.
pub fn placed() -> Vec<String> {
    let now = "'2026-03-14 21:30:05'";
    vec![
        format!(
            "INSERT INTO tb_cust (cust_no, cust_nm, grd_cd, brth_dt, sex_cd, hp_no, join_dt, mod_dtm) \
             VALUES (900001, '김영희', 'V', '19850312', 'F', '010-1234-5678', '20150302', {now})"
        ),
        "INSERT INTO tb_mbr VALUES ('younghee.kim', 900001, '10', '2026-03-14 21:02:11')".to_owned(),
        "INSERT INTO tb_cust_addr (cust_no, addr_seq, rcv_nm, zip_no, addr1, addr2) \
         VALUES (900001, 1, '김영희', ' 6236', '서울 강남구 테헤란로 152', '1203호')"
            .to_owned(),
        format!(
            "INSERT INTO tb_ord_mst (ord_no, cust_no, ord_mbr_id, ord_dt, ord_tm, ord_tp, ord_st_cd, chnl_cd, pay_st_cd, addr_seq, emp_no, \
             dlv_amt, rcv_hp_no, reg_dtm) VALUES ('{NUMBER}', 900001, 'YoungHee.KIM ', '20260314', '213005', 'RESERVE', '20', 'TV', '20', 1, \
             'E00002', 2500, '010-1234-5678', {now})"
        ),
        format!(
            "INSERT INTO tb_ord_dtl (ord_no, ord_seq, item_no, opt_no, item_nm, qty, unit_prc, dc_amt, wh_cd, dlv_seq) VALUES \
             ('{NUMBER}', 1, 1, 1, '홈쇼핑 특가 세트', 2, 39900, NULL, NULL, 1), ('{NUMBER}', 2, 2, NULL, '사은품 포함 1+1', 1, 12900.50, 1000, NULL, 1)"
        ),
        format!(
            "INSERT INTO tb_ord_hist VALUES ('{NUMBER}', 1, '10', {now}, 'E00002'), ('{NUMBER}', 2, '20', '2026-03-14 21:31:40', NULL)"
        ),
        format!("INSERT INTO tb_ord_memo VALUES ('{NUMBER}', '부재시 경비실에 맡겨 주세요', 'E00002', '20260314')"),
        format!(
            "INSERT INTO tb_pay VALUES ('{NUMBER}', 1, '01', '20', 94200.50, '1234-****-****-9876', 3, '55120034', '2026-03-14 21:31:40')"
        ),
        format!("INSERT INTO tb_dlv (ord_no, dlv_seq, dlv_co_cd, inv_no) VALUES ('{NUMBER}', 1, '01', '601234567890')"),
    ]
}

/// Where its data lies in the legacy database: a table and what to show of its rows.
const LEGACY: &[(&str, &str)] = &[
    (
        "tb_ord_mst",
        "SELECT ord_no, cust_no, ord_mbr_id, ord_dt, ord_tm, ord_st_cd, chnl_cd, pay_st_cd, rsv_de, del_yn FROM tb_ord_mst WHERE ord_no = ?",
    ),
    (
        "tb_cust",
        "SELECT c.cust_no, c.cust_nm, c.grd_cd, c.wthd_de FROM tb_cust c JOIN tb_ord_mst o USING (cust_no) WHERE o.ord_no = ?",
    ),
    ("tb_mbr", "SELECT m.mbr_id, m.mbr_st_cd FROM tb_mbr m JOIN tb_ord_mst o ON m.mbr_id = o.ord_mbr_id WHERE o.ord_no = ?"),
    (
        "tb_cust_addr",
        "SELECT a.addr_seq, a.zip_no, a.addr1, a.addr2 FROM tb_cust_addr a JOIN tb_ord_mst o USING (cust_no, addr_seq) WHERE o.ord_no = ?",
    ),
    (
        "tb_ord_dtl",
        "SELECT ord_seq, item_no, opt_no, qty, unit_prc, dc_amt, cncl_yn FROM tb_ord_dtl WHERE ord_no = ? ORDER BY ord_seq",
    ),
    ("tb_pay", "SELECT pay_seq, mtd_cd, pay_st_cd, pay_amt, istm_mm, apv_dtm FROM tb_pay WHERE ord_no = ? ORDER BY pay_seq"),
    ("tb_ord_hist", "SELECT hist_seq, ord_st_cd, chg_dtm FROM tb_ord_hist WHERE ord_no = ? ORDER BY hist_seq"),
    (
        "tb_cmm_cd",
        "SELECT k.cd_grp, k.cd, k.cd_nm FROM tb_cmm_cd k JOIN tb_ord_mst o ON (k.cd_grp = 'ORD_ST' AND k.cd = o.ord_st_cd) \
         OR (k.cd_grp = 'CHNL' AND k.cd = o.chnl_cd) WHERE o.ord_no = ? ORDER BY k.cd_grp",
    ),
];

/// What the service holds of it: a table and what to show of its rows.
const SERVICE: &[(&str, &str)] = &[
    (
        "orders",
        "SELECT order_id, customer_name, member_id, customer_grade, status, channel, stage, ordered_at, reserved_on, postcode, ship_to, line_count, \
         item_amount, paid_amount FROM orders WHERE order_id = $1",
    ),
    (
        "order_lines",
        "SELECT line_no, item_name, main_category, vendor, quantity, line_amount, carrier, tracking_no FROM order_lines WHERE order_id = $1 ORDER BY line_no",
    ),
    (
        "payments",
        "SELECT kind, method, status, amount, fee, paid_on, remark FROM payments WHERE order_id = $1 ORDER BY kind, entry_no",
    ),
];

/// Shows the order as the legacy system has it and as the service has it.
pub async fn show(stage: &mut Stage, screen: &Screen) -> Told {
    screen.say("before: rows of many tables, codes to be looked up, dates as text");
    for (table, sql) in LEGACY {
        let rows: Vec<mysql_async::Row> =
            stage.legacy.exec(*sql, (NUMBER,)).await.map_err(StoryError::sql("read the order from the shop"))?;
        for row in &rows {
            show_wrapped(screen, table, legacy_cells(row));
        }
    }
    screen.say("after: three tables that say what they mean");
    for (table, sql) in SERVICE {
        let columns = stage.service.prepare(sql).await.map_err(StoryError::sql("read the order from the service"))?;
        let names: Vec<&str> = columns.columns().iter().map(tokio_postgres::Column::name).collect();
        let as_text: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
        let sql = format!("SELECT {} FROM ({sql}) AS t", as_text.join(", "));
        let rows = stage.service.query(&sql, &[&NUMBER]).await.map_err(StoryError::sql("read the order from the service"))?;
        if rows.is_empty() {
            return Err(StoryError::Unexpected(format!("order {NUMBER} is not in table {table} of the service")));
        }
        for row in &rows {
            let cells = names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), row.try_get(index).ok().flatten()));
            show_wrapped(screen, table, cells.collect());
        }
    }
    Ok(())
}

/// Cells in lines of a readable length, without the ones that are empty.
fn show_wrapped(screen: &Screen, table: &str, cells: Vec<(String, Option<String>)>) {
    const WIDTH: usize = 84;
    let (mut title, mut line) = (table, String::new());
    for (name, cell) in cells.into_iter().filter_map(|(name, cell)| Some((name, cell?))) {
        let cell = format!("{name}={cell}");
        if !line.is_empty() && line.chars().count() + cell.chars().count() > WIDTH {
            screen.say(&format!("  {title:<13} {line}"));
            (title, line) = ("", String::new());
        }
        line = if line.is_empty() { cell } else { format!("{line}  {cell}") };
    }
    screen.say(&format!("  {title:<13} {line}"));
}

fn legacy_cells(row: &mysql_async::Row) -> Vec<(String, Option<String>)> {
    let columns = row.columns_ref().iter().enumerate();
    columns.map(|(index, column)| (column.name_str().into_owned(), row.as_ref(index).map(legacy_cell))).collect()
}

/// As the shop's own screens show it; zero dates included.
fn legacy_cell(value: &mysql_async::Value) -> String {
    use mysql_async::Value;
    match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Date(year, month, day, 0, 0, 0, _) => format!("{year:04}-{month:02}-{day:02}"),
        Value::Date(year, month, day, hour, minute, second, _) => {
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        Value::Time(..) => value.as_sql(true),
    }
}
