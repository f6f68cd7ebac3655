//! The query shapes that real mappings use, over the small schema.

/// Name, key and SELECT of each shape.
pub(super) const SHAPES: &[(&str, &[&str], &str)] = &[
    (
        "left_joins_with_on_filters_and_one_table_under_two_aliases",
        &["ord_no"],
        "SELECT o.ord_no, c.nm AS cust, b.nm AS boss, st.nm AS status, zz.nm AS other, o.memo
         FROM o LEFT JOIN c ON c.cust_no = o.cust_no AND c.grd > 2
         LEFT JOIN c b ON b.cust_no = c.boss
         LEFT JOIN cd st ON st.grp = 'ST' AND st.cd = o.st AND st.use_yn = 'Y'
         LEFT JOIN cd zz ON zz.grp = 'ZZ' AND zz.cd = o.st
         WHERE o.del = 'N'",
    ),
    (
        "anti_join",
        &["ord_no"],
        "SELECT o.ord_no, o.memo FROM o LEFT JOIN c ON c.cust_no = o.cust_no WHERE c.cust_no IS NULL OR c.grd IS NULL",
    ),
    (
        "inner_joins_by_where_and_self_join",
        &["ord_no", "seq"],
        "SELECT d.ord_no, d.seq, d.qty * d.amt AS total, c.nm, b.nm AS boss
         FROM d, o, c LEFT JOIN c b ON b.cust_no = c.boss AND b.grd IS NOT NULL
         WHERE o.ord_no = d.ord_no AND c.cust_no = o.cust_no AND d.use_yn = 'Y'",
    ),
    (
        "correlated_aggregates",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT COUNT(*) FROM d WHERE d.ord_no = o.ord_no) AS n,
           (SELECT SUM(d.qty * d.amt) FROM d WHERE d.ord_no = o.ord_no AND d.use_yn = 'Y') AS total,
           (SELECT MAX(h.at) FROM h WHERE h.ord_no = o.ord_no) AS last_at,
           (SELECT GROUP_CONCAT(x.item_no ORDER BY x.seq DESC SEPARATOR '/') FROM d x WHERE x.ord_no = o.ord_no) AS items,
           CASE WHEN EXISTS (SELECT 1 FROM p WHERE p.ord_no = o.ord_no AND p.amt > 0) THEN 'paid' ELSE 'open' END AS paid
         FROM o",
    ),
    (
        "nested_subquery_through_a_join",
        &["cust_no"],
        "SELECT c.cust_no, (SELECT SUM(d.qty) FROM o JOIN d ON d.ord_no = o.ord_no LEFT JOIN cd st ON st.grp = 'ST' AND st.cd = o.st
            WHERE o.cust_no = c.cust_no AND (st.nm IS NULL OR st.nm <> 'n1')) AS qty,
           (SELECT COUNT(*) FROM o WHERE o.cust_no = c.cust_no AND NOT EXISTS (SELECT 1 FROM p WHERE p.ord_no = o.ord_no)) AS unpaid
         FROM c",
    ),
    (
        "grouped_with_conditional_aggregates",
        &["ord_no"],
        "SELECT d.ord_no, COUNT(*) AS n, SUM(CASE WHEN d.use_yn = 'Y' THEN d.amt ELSE 0 END) AS used, MIN(d.item_no) AS least
         FROM d LEFT JOIN o ON o.ord_no = d.ord_no WHERE o.del IS NULL OR o.del = 'N' GROUP BY d.ord_no HAVING COUNT(*) > 1",
    ),
    (
        "grouped_over_two_tables",
        &["grd", "item_no"],
        "SELECT IFNULL(c.grd, 0) AS grd, IFNULL(d.item_no, 0) AS item_no, SUM(d.qty) AS qty, COUNT(DISTINCT o.ord_no) AS orders
         FROM d JOIN o ON o.ord_no = d.ord_no JOIN c ON c.cust_no = o.cust_no
         GROUP BY IFNULL(c.grd, 0), IFNULL(d.item_no, 0)",
    ),
    (
        "grouped_bag_with_dependent_columns",
        &["ord_no"],
        "SELECT o.ord_no, o.memo, COUNT(*) AS events, SUM(h.at) AS at FROM h JOIN o ON o.ord_no = h.ord_no GROUP BY o.ord_no, o.memo",
    ),
    (
        "derived_table",
        &["ord_no"],
        "SELECT o.ord_no, s.n, COALESCE(s.total, 0) AS total, k.cash
         FROM o LEFT JOIN (SELECT d.ord_no, COUNT(*) AS n, SUM(d.amt) AS total FROM d JOIN c ON c.cust_no = d.item_no GROUP BY d.ord_no) s
           ON s.ord_no = o.ord_no
         LEFT JOIN (SELECT p.ord_no, p.kind, SUM(p.amt) AS cash FROM p GROUP BY p.ord_no, p.kind) k ON k.ord_no = o.ord_no AND k.kind = 'CASH'
         WHERE s.n IS NULL OR s.n < 3",
    ),
    (
        "union_all",
        &["kind", "no"],
        "SELECT 'ORDER' AS kind, o.ord_no AS no, o.memo AS text FROM o WHERE o.del = 'N'
         UNION ALL SELECT 'PAY', p.pay_no, c.nm FROM p JOIN o ON o.ord_no = p.ord_no LEFT JOIN c ON c.cust_no = o.cust_no
         UNION ALL SELECT 'CUST', o.cust_no, CAST(COUNT(*) AS CHAR(10)) FROM o WHERE o.cust_no IS NOT NULL GROUP BY o.cust_no",
    ),
    (
        "expression_join_under_a_collation",
        &["ord_no"],
        "SELECT o.ord_no, m.nm AS main, s.nm AS sub, o.ctg FROM o LEFT JOIN g m ON m.ctg_no = LEFT(o.ctg, 2) LEFT JOIN g s ON s.ctg_no = o.ctg",
    ),
    (
        "null_safe_join",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT COUNT(*) FROM c WHERE c.grd <=> o.cust_no) AS n,
           (SELECT COUNT(*) FROM o x WHERE x.mbr = o.mbr) AS same_member FROM o",
    ),
    (
        "latest_row",
        &["ord_no"],
        "SELECT o.ord_no, p.amt, p.kind FROM o LEFT JOIN p ON p.ord_no = o.ord_no
           AND p.pay_no = (SELECT MAX(x.pay_no) FROM p x WHERE x.ord_no = p.ord_no)",
    ),
    (
        "ordered_limit",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT d.item_no FROM d WHERE d.ord_no = o.ord_no ORDER BY d.seq DESC LIMIT 1) AS last_item FROM o",
    ),
    (
        "derived_table_grouped_under_a_collation",
        &["ctg_no"],
        "SELECT g.ctg_no, s.n FROM g LEFT JOIN (SELECT o.ctg, COUNT(*) AS n FROM o GROUP BY o.ctg) s ON s.ctg = g.ctg_no",
    ),
    (
        "semi_joins",
        &["ord_no"],
        "SELECT o.ord_no, o.memo FROM o
         WHERE EXISTS (SELECT 1 FROM d JOIN c ON c.cust_no = d.item_no WHERE d.ord_no = o.ord_no AND c.grd = 3)
            OR NOT EXISTS (SELECT 1 FROM p WHERE p.ord_no = o.ord_no AND p.kind = 'CARD')",
    ),
    (
        "distinct_derived_table",
        &["ord_no"],
        "SELECT o.ord_no, x.item_no FROM o LEFT JOIN (SELECT DISTINCT d.ord_no, d.item_no FROM d WHERE d.use_yn = 'Y') x
           ON x.ord_no = o.ord_no AND x.item_no = o.cust_no",
    ),
    (
        "grouped_bag",
        &["ord_no"],
        "SELECT h.ord_no, COUNT(*) AS n, MAX(h.at) AS last_at FROM h WHERE h.ord_no IS NOT NULL GROUP BY h.ord_no",
    ),
    (
        "inner_join_behind_a_left_join",
        &["ord_no"],
        "SELECT o.ord_no, c.nm, p.kind, b.nm AS boss FROM o LEFT JOIN c ON c.cust_no = o.cust_no JOIN p ON p.pay_no = c.boss
         LEFT JOIN c b ON b.cust_no = p.ord_no WHERE b.grd IS NULL OR b.grd <> 2",
    ),
    (
        "where_makes_a_left_join_inner",
        &["ord_no"],
        "SELECT o.ord_no, p.amt FROM o LEFT JOIN c ON c.cust_no = o.cust_no LEFT JOIN p ON p.pay_no = c.grd WHERE p.kind = 'CARD' AND o.cust_no = c.cust_no",
    ),
    (
        "grouped_self_join",
        &["cust_no"],
        "SELECT a.cust_no, COUNT(b.ord_no) AS later, SUM(CASE WHEN b.del = 'N' THEN 1 ELSE 0 END) AS open
         FROM o a LEFT JOIN o b ON b.cust_no = a.cust_no AND b.ord_no > a.ord_no WHERE a.cust_no IS NOT NULL GROUP BY a.cust_no",
    ),
    (
        "subquery_over_a_derived_table",
        &["cust_no"],
        "SELECT c.cust_no, s.memo, (SELECT COUNT(*) FROM d WHERE d.ord_no = s.ord_no) AS line_count
         FROM c LEFT JOIN (SELECT o.ord_no, o.memo FROM o JOIN p ON p.pay_no = o.ord_no WHERE o.del = 'N') s ON s.ord_no = c.grd",
    ),
];
