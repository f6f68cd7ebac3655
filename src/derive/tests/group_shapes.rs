//! Groups of every kind that can be kept up row by row: the shapes that are also run on real servers.

/// Name, key and SELECT of each shape.
pub(super) const SHAPES: &[(&str, &[&str], &str)] = &[
    (
        "sums_and_averages_by_customer",
        &["cust_no"],
        "SELECT o.cust_no, COUNT(*) AS n, COUNT(d.amt) AS priced, SUM(d.amt) AS total, AVG(d.amt) AS mean, AVG(d.qty) AS qty_mean,
           SUM(CASE WHEN d.use_yn = 'Y' THEN d.qty * d.amt ELSE 0 END) AS used, SUM(CASE WHEN d.use_yn = 'N' THEN d.amt END) AS unused
         FROM d JOIN o ON o.ord_no = d.ord_no WHERE o.cust_no IS NOT NULL AND o.del = 'N' GROUP BY o.cust_no
         HAVING COUNT(*) > 1 OR SUM(d.amt) < 0",
    ),
    (
        "grouped_by_a_joined_table_and_weighted_by_it",
        &["grd"],
        "SELECT c.grd, COUNT(*) AS n, SUM(d.qty * c.boss) AS weighted, MIN(d.item_no) AS least, MAX(d.item_no) AS most, COUNT(DISTINCT o.ord_no) AS orders,
           COUNT(DISTINCT d.item_no, d.use_yn) AS items
         FROM d JOIN o ON o.ord_no = d.ord_no JOIN c ON c.cust_no = o.cust_no WHERE c.grd IS NOT NULL GROUP BY c.grd",
    ),
    (
        "extremes_beside_sums_in_a_derived_table",
        &["cust_no"],
        "SELECT c.cust_no, c.nm, s.n, s.first, s.last, s.total, s.total / s.n AS per FROM c LEFT JOIN (SELECT o.cust_no, COUNT(*) AS n, MIN(p.kind) AS first,
           MAX(p.pay_no) AS last, SUM(p.amt) AS total FROM p JOIN o ON o.ord_no = p.ord_no GROUP BY o.cust_no HAVING MAX(p.amt) > 0) s ON s.cust_no = c.cust_no",
    ),
    (
        "grouped_by_expression_and_shown_in_expressions",
        &["m", "kind"],
        "SELECT p.ord_no % 3 AS m, p.kind, CONCAT(p.kind, '-', COUNT(p.amt)) AS label, SUM(p.amt) + COUNT(*) AS sum, MAX(p.amt) - MIN(p.amt) AS spread
         FROM p WHERE p.ord_no IS NOT NULL GROUP BY p.ord_no % 3, p.kind",
    ),
    (
        "members_behind_a_left_join",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT SUM(IFNULL(c.grd, -1)) FROM d LEFT JOIN c ON c.cust_no = d.item_no AND c.grd > 1 WHERE d.ord_no = o.ord_no) AS grades,
           (SELECT COUNT(*) FROM p LEFT JOIN o x ON x.ord_no = p.pay_no WHERE p.ord_no <=> o.cust_no AND (x.del IS NULL OR x.del = 'N')) AS pays,
           (SELECT MAX(x.nm) FROM c x WHERE x.boss = o.cust_no AND o.del = 'N') AS last_name FROM o",
    ),
    (
        "groups_in_several_spellings",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT COUNT(*) FROM o x WHERE x.mbr = o.mbr AND x.ctg = o.ctg) AS same, k.n
         FROM o LEFT JOIN (SELECT y.mbr, y.del, COUNT(*) AS n FROM o y GROUP BY y.mbr, y.del) k ON k.mbr = o.mbr AND k.del = o.del",
    ),
    (
        "counted_bag",
        &["at"],
        "SELECT h.at, COUNT(*) AS n, COUNT(h.ord_no) AS known, SUM(h.ord_no) AS sum, MIN(h.ord_no) AS least, COUNT(DISTINCT h.ev) AS events FROM h GROUP BY h.at",
    ),
    (
        "groups_among_conditions",
        &["ord_no"],
        "SELECT o.ord_no FROM o WHERE (SELECT COUNT(*) FROM d WHERE d.ord_no = o.ord_no) > 1
           OR EXISTS (SELECT p.kind FROM p WHERE p.ord_no = o.ord_no GROUP BY p.kind HAVING COUNT(*) > 1)
           OR o.cust_no IN (SELECT c.boss FROM c WHERE c.boss IS NOT NULL GROUP BY c.boss HAVING SUM(c.grd) > 3)",
    ),
    (
        "first_rows_in_order",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT p.kind FROM p WHERE p.ord_no = o.ord_no ORDER BY p.amt DESC, p.pay_no LIMIT 1) AS dearest,
           (SELECT p.amt FROM p WHERE p.ord_no = o.cust_no ORDER BY p.amt, p.pay_no DESC LIMIT 1) AS cheapest,
           (SELECT c.nm FROM o x JOIN c ON c.cust_no = x.cust_no WHERE x.del = o.del ORDER BY c.grd DESC, x.ord_no LIMIT 1) AS highest FROM o",
    ),
    (
        "asked_for_by_an_aggregate",
        &["cust_no"],
        "SELECT c.cust_no, (SELECT COUNT(*) FROM o WHERE o.cust_no = c.cust_no AND o.ord_no = (SELECT MAX(p.pay_no) FROM p WHERE p.ord_no = c.grd)) AS n FROM c",
    ),
    (
        "asked_for_by_the_greatest_of_another_group",
        &["cust_no"],
        "SELECT c.cust_no, (SELECT COUNT(*) FROM p WHERE p.ord_no = (SELECT MAX(o.ord_no) FROM o WHERE o.cust_no = c.cust_no)) AS n FROM c",
    ),
    (
        "counted_behind_a_left_join",
        &["ord_no"],
        "SELECT o.ord_no, o.del, COUNT(d.seq) AS n, COUNT(*) AS all_rows, SUM(d.amt) AS total, AVG(d.qty) AS mean, MAX(d.item_no) AS most,
           COUNT(DISTINCT d.item_no) AS items, SUM(IFNULL(d.qty, -1)) AS filled FROM o LEFT JOIN d ON d.ord_no = o.ord_no AND d.use_yn = 'Y'
         WHERE o.del = 'N' GROUP BY o.ord_no HAVING COUNT(*) > 1 OR MAX(d.amt) IS NULL",
    ),
    (
        "counted_behind_a_left_join_by_a_column_of_many_rows",
        &["cust_no"],
        "SELECT o.cust_no, COUNT(*) AS n, COUNT(p.pay_no) AS pays, SUM(p.amt) AS total, MIN(p.kind) AS least, SUM(IFNULL(p.amt, o.ord_no)) AS mixed,
           MAX(x.nm) AS name FROM o LEFT JOIN p ON p.ord_no = o.ord_no LEFT JOIN c x ON x.cust_no = p.pay_no
         WHERE o.cust_no IS NOT NULL AND (p.kind IS NULL OR p.kind <> 'CASH' OR x.grd > 1) GROUP BY o.cust_no",
    ),
    (
        "counted_behind_two_left_joins",
        &["cust_no"],
        "SELECT c.cust_no, c.nm, COUNT(o.ord_no) AS orders, COUNT(d.seq) AS sold, SUM(d.qty * d.amt) AS total, MIN(o.del) AS del
         FROM c LEFT JOIN o ON o.cust_no = c.cust_no LEFT JOIN d ON d.ord_no = o.ord_no AND d.qty > 0 GROUP BY c.cust_no, c.nm",
    ),
    (
        "a_left_join_asked_for_by_rows_outside",
        &["ord_no"],
        "SELECT o.ord_no, (SELECT COUNT(*) FROM o x LEFT JOIN p ON p.ord_no = x.ord_no WHERE x.cust_no = o.cust_no) AS n,
           (SELECT SUM(p.amt) FROM o x LEFT JOIN p ON p.ord_no = x.ord_no AND p.kind = 'CARD' WHERE x.cust_no = o.cust_no AND x.del = o.del) AS total FROM o",
    ),
    (
        "the_latest_row_of_a_partition",
        &["ord_no"],
        "SELECT x.ord_no, x.kind, x.amt, x.rn FROM (SELECT p.ord_no, p.kind, p.amt, ROW_NUMBER() OVER (PARTITION BY p.ord_no ORDER BY p.amt DESC, p.pay_no) AS rn
           FROM p WHERE p.ord_no IS NOT NULL) x WHERE x.rn = 1",
    ),
    (
        "the_latest_row_joined_where_it_is_there",
        &["ord_no"],
        "SELECT o.ord_no, x.kind, x.label, c.nm FROM o LEFT JOIN (SELECT p.ord_no, p.kind, CONCAT(p.kind, '-', p.pay_no) AS label, ROW_NUMBER() OVER
           (PARTITION BY p.ord_no ORDER BY p.kind, p.pay_no DESC) AS rn FROM p WHERE p.amt IS NOT NULL) x ON x.ord_no = o.ord_no AND x.rn = 1
         LEFT JOIN (SELECT z.cust_no, z.del, y.nm, z.ord_no, ROW_NUMBER() OVER (PARTITION BY z.del, z.cust_no ORDER BY z.ord_no) AS rn FROM o z JOIN c y ON y.cust_no = z.cust_no) c
           ON c.cust_no = o.cust_no AND c.del = o.del AND c.rn = 1",
    ),
    (
        "the_first_of_several_partitions",
        &["ord_no", "kind"],
        "SELECT o.ord_no, x.kind, x.pay_no FROM o JOIN (SELECT p.ord_no, p.kind, p.pay_no, p.amt, ROW_NUMBER() OVER (PARTITION BY p.ord_no, p.kind
           ORDER BY p.pay_no) AS rn FROM p) x ON x.ord_no = o.ord_no AND x.rn = 1 WHERE x.amt IS NULL OR x.amt > 0",
    ),
    (
        "all_that_share_the_first_rank",
        &["pay_no"],
        "SELECT x.pay_no, x.ord_no, x.kind FROM (SELECT p.pay_no, p.ord_no, p.kind, RANK() OVER (PARTITION BY p.ord_no ORDER BY p.kind DESC) AS r FROM p) x WHERE x.r = 1",
    ),
];
