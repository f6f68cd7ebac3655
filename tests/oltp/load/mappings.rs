//! The mapping files of both loads, in SQL that both families of servers read alike.

use super::sysbench::Scale;

/// What PostgreSQL publishes: the mapped tables.
pub const PUBLICATION: &str = "CREATE PUBLICATION erp_out FOR TABLE sbtest1, sbtest2, sbtest3, warehouse, district, customer, history, orders, \
     new_order, order_line, item, beat";

/// sysbench: two tables side by side, one filtered by what moves (`{half}` of its rows), one grouped by it.
const SYSBENCH: &str = "\
version: 1
mapping: sysbench
source: erp
target: order-db
tables:
  sb_pairs:
    key: [id]
    sql: |
      SELECT a.id AS id, a.k AS k, a.c AS c, b.k AS other_k, b.pad AS other_pad
        FROM sbtest1 a LEFT JOIN sbtest2 b ON b.id = a.id
  sb_groups:
    key: [k]
    sql: SELECT a.k AS k, COUNT(*) AS row_count, SUM(a.id) AS id_sum, MAX(a.id) AS id_max FROM sbtest1 a GROUP BY a.k
  sb_upper:
    key: [id]
    sql: SELECT s.id AS id, s.k AS k, s.c AS c FROM sbtest3 s WHERE s.k >= {half}
";

/// The mapping of sysbench's tables at this scale.
pub fn sysbench(scale: Scale) -> String {
    SYSBENCH.replace("{half}", &(scale.rows / 2).to_string())
}

/// TPC-C: orders with customer, district and their own lines summed; lines with their items; accounts with both sides of their ledger;
/// districts and warehouses with what was paid there.
pub const TPCC: &str = "\
version: 1
mapping: tpcc
source: erp
target: order-db
tables:
  orders:
    key: [warehouse, district, order_no]
    sql: |
      SELECT o.o_w_id AS warehouse, o.o_d_id AS district, o.o_id AS order_no, o.o_c_id AS customer_no, c.c_last AS last_name,
             d.d_name AS district_name, o.o_entry_d AS entered_at, o.o_carrier_id AS carrier,
             CASE WHEN n.no_o_id IS NULL THEN 0 ELSE 1 END AS waiting,
             o.o_ol_cnt AS stated_lines, o.o_total AS stated_total,
             (SELECT COUNT(*) FROM order_line l WHERE l.ol_w_id = o.o_w_id AND l.ol_d_id = o.o_d_id AND l.ol_o_id = o.o_id) AS line_count,
             (SELECT SUM(l.ol_amount) FROM order_line l WHERE l.ol_w_id = o.o_w_id AND l.ol_d_id = o.o_d_id AND l.ol_o_id = o.o_id) AS line_total
        FROM orders o
        JOIN customer c ON c.c_w_id = o.o_w_id AND c.c_d_id = o.o_d_id AND c.c_id = o.o_c_id
        JOIN district d ON d.d_w_id = o.o_w_id AND d.d_id = o.o_d_id
        LEFT JOIN new_order n ON n.no_w_id = o.o_w_id AND n.no_d_id = o.o_d_id AND n.no_o_id = o.o_id
  order_lines:
    key: [warehouse, district, order_no, line_no]
    sql: |
      SELECT l.ol_w_id AS warehouse, l.ol_d_id AS district, l.ol_o_id AS order_no, l.ol_number AS line_no, i.i_name AS item_name,
             l.ol_quantity AS quantity, l.ol_amount AS amount, l.ol_delivery_d AS delivered_at
        FROM order_line l JOIN item i ON i.i_id = l.ol_i_id
  accounts:
    key: [warehouse, district, customer_no]
    sql: |
      SELECT c.c_w_id AS warehouse, c.c_d_id AS district, c.c_id AS customer_no, c.c_last AS last_name, c.c_balance AS balance,
             (SELECT SUM(l.ol_amount) FROM orders o
                JOIN order_line l ON l.ol_w_id = o.o_w_id AND l.ol_d_id = o.o_d_id AND l.ol_o_id = o.o_id
               WHERE o.o_w_id = c.c_w_id AND o.o_d_id = c.c_d_id AND o.o_c_id = c.c_id AND l.ol_delivery_d IS NOT NULL) AS delivered,
             (SELECT SUM(h.h_amount) FROM history h
               WHERE h.h_c_w_id = c.c_w_id AND h.h_c_d_id = c.c_d_id AND h.h_c_id = c.c_id) AS paid
        FROM customer c
  districts:
    key: [warehouse, district]
    sql: SELECT d.d_w_id AS warehouse, d.d_id AS district, d.d_name AS name, d.d_ytd AS taken, d.d_next_o_id AS next_order_no FROM district d
  payments_by_district:
    key: [warehouse, district]
    sql: |
      SELECT h.h_w_id AS warehouse, h.h_d_id AS district, COUNT(*) AS payment_count, SUM(h.h_amount) AS taken
        FROM history h GROUP BY h.h_w_id, h.h_d_id
  warehouses:
    key: [warehouse]
    sql: SELECT w.w_id AS warehouse, w.w_name AS name, w.w_ytd AS taken FROM warehouse w
  beat:
    key: [id]
    sql: SELECT b.id AS id, b.at_ms AS at_ms FROM beat b
";
