//! The habits that make logs hard to read: MyISAM, no key, zero dates, many rows, many tables, roll-backs, upserts.

use super::super::names::{self, once_in, pick};
use super::super::text::{money, quote_or_null};
use super::desk::{Desk, Done, Outcome};

impl Desk {
    /// The MyISAM table, one or several rows at a time.
    pub async fn points(&mut self) -> Done {
        let order = self.order().await?;
        let (customer, day, amount) = (self.customer(), self.today(), money(self.amount()));
        let statement = match self.rng.u32(..5) {
            0 | 1 => format!(
                "INSERT INTO tb_pnt_hist (cust_no, ord_no, pnt_tp, pnt_amt, reg_dt) VALUES ({customer}, {order}, 'SAVE', {amount}, '{day}'), \
                 ({customer}, {order}, 'USE', {amount}, ''), ({customer}, '', 'EXPIRE', 1, '{day}')"
            ),
            2 => format!("UPDATE tb_pnt_hist SET pnt_amt = pnt_amt + 10 WHERE ord_no = {order}"),
            3 => format!("UPDATE tb_pnt_hist SET pnt_tp = 'EXPIRE' WHERE ord_no = {order} AND pnt_tp = 'SAVE'"),
            _ => format!("DELETE FROM tb_pnt_hist WHERE ord_no = {order}"),
        };
        self.alone(statement).await
    }

    /// A transaction over both engines; rolled back, its MyISAM half stays.
    pub async fn mixed_engines(&mut self) -> Done {
        let order = self.order().await?;
        let (customer, day) = (self.customer(), self.today());
        let credit = format!(
            "INSERT INTO tb_pnt_hist (cust_no, ord_no, pnt_tp, pnt_amt, reg_dt) VALUES ({customer}, {order}, 'SAVE', 7.5, '{day}')"
        );
        if !self.engines_mix {
            return self.alone(credit).await;
        }
        self.run("BEGIN").await?;
        self.run(format!("UPDATE tb_ord_mst SET dlv_amt = dlv_amt + 1 WHERE ord_no = {order}")).await?;
        self.run(credit).await?;
        self.run(format!("UPDATE tb_ord_dtl SET qty = qty + 1 WHERE ord_no = {order} AND ord_seq = 1")).await?;
        if once_in(&mut self.rng, 3) {
            self.run("ROLLBACK").await?;
            return Ok(Outcome::RolledBack);
        }
        self.commit().await
    }

    /// The table without a key: equal rows, one of which is changed or deleted.
    pub async fn memo(&mut self) -> Done {
        let order = self.order().await?;
        let (memo, day) = (quote_or_null(names::memo(&mut self.rng)), self.today());
        let statement = match self.rng.u32(..5) {
            0 => format!("INSERT INTO tb_ord_memo VALUES ({order}, {memo}, NULL, '{day}'), ({order}, {memo}, NULL, '{day}')"),
            1 => format!("DELETE FROM tb_ord_memo WHERE ord_no = {order} LIMIT 1"),
            2 => format!("UPDATE tb_ord_memo SET memo = {memo} WHERE ord_no = {order} LIMIT 1"),
            _ => format!("INSERT INTO tb_ord_memo VALUES ({order}, {memo}, 'E00001', '{day}')"),
        };
        self.alone(statement).await
    }

    pub async fn zero_date(&mut self) -> Done {
        let order = self.order().await?;
        let now = self.now();
        let statement = match self.rng.u32(..5) {
            0 => format!("UPDATE tb_ord_mst SET rsv_de = '0000-00-00' WHERE ord_no = {order}"),
            1 => format!("UPDATE tb_ord_mst SET rsv_de = DATE({now}) WHERE ord_no = {order}"),
            2 => {
                format!("UPDATE tb_pay SET apv_dtm = '0000-00-00 00:00:00' WHERE ord_no = {order}")
            }
            3 => format!("UPDATE tb_dlv SET dlv_dtm = '0000-00-00 00:00:00', out_dt = '' WHERE ord_no = {order}"),
            _ => format!(
                "UPDATE tb_ord_mst SET reg_dtm = IF(reg_dtm = '0000-00-00 00:00:00', {now}, '0000-00-00 00:00:00') WHERE ord_no = {order}"
            ),
        };
        self.alone(statement).await
    }

    /// One statement over the lines of several orders.
    pub async fn many_rows(&mut self) -> Done {
        let mut orders = Vec::new();
        for _ in 0..self.rng.u32(3..9) {
            orders.push(self.order().await?);
        }
        let orders = orders.join(", ");
        let discount = match self.rng.u32(..3) {
            0 => "NULL".into(),
            _ => money(self.rng.i64(0..10_000)),
        };
        self.alone(format!("UPDATE tb_ord_dtl SET dc_amt = {discount} WHERE ord_no IN ({orders})")).await
    }

    /// One statement that writes two tables.
    pub async fn two_tables(&mut self) -> Done {
        let order = self.order().await?;
        if once_in(&mut self.rng, 4) {
            return self
                .alone(format!(
                    "DELETE h, m FROM tb_ord_hist h JOIN tb_ord_memo m ON m.ord_no = h.ord_no WHERE h.ord_no = {order}"
                ))
                .await;
        }
        self.alone(format!(
            "UPDATE tb_ord_mst o JOIN tb_pay p ON p.ord_no = o.ord_no SET o.pay_st_cd = '30', p.pay_st_cd = '30', p.pay_amt = p.pay_amt - 1 \
             WHERE o.ord_no = {order}"
        ))
        .await
    }

    /// Traffic that no mapping asks for.
    pub async fn unmapped_tables(&mut self) -> Done {
        let item = self.item();
        let (day, price) = (self.today(), money(self.amount()));
        let quantity = self.rng.i32(-8_388_608..8_388_608); // all of a signed MEDIUMINT
        self.transaction([
            format!(
                "INSERT INTO tb_item_prc_hist SELECT {item}, '{day}', COALESCE(MAX(apl_seq), 0) + 1, {price} FROM tb_item_prc_hist \
                 WHERE item_no = {item} AND apl_dt = '{day}'"
            ),
            format!("UPDATE tb_item SET sale_prc = {price} WHERE item_no = {item}"),
            format!("UPDATE tb_stock SET stk_qty = {quantity} WHERE item_no = {item} AND wh_cd = 'W01'"),
        ])
        .await
    }

    /// REPLACE and ON DUPLICATE KEY: one statement that is an insert, an update, or a delete and an insert.
    pub async fn upsert(&mut self) -> Done {
        let order = self.order().await?;
        let line = self.rng.u32(1..6);
        let (item, price) = (self.item(), money(self.amount()));
        let name = quote_or_null(Some(&names::item(&mut self.rng)));
        let values = format!("({order}, {line}, {item}, 1, {name}, 1, {price}, NULL, '10', 'W02', 1, 'N')");
        match self.rng.u32(..3) {
            0 => self.alone(format!("REPLACE INTO tb_ord_dtl VALUES {values}")).await,
            1 => self.alone(format!("INSERT IGNORE INTO tb_ord_dtl VALUES {values}")).await,
            _ => self.alone(format!("INSERT INTO tb_ord_dtl VALUES {values} ON DUPLICATE KEY UPDATE qty = qty + 1")).await,
        }
    }

    /// The same row several times in one transaction, and a row that comes and goes within it.
    pub async fn same_row_twice(&mut self) -> Done {
        let order = self.order().await?;
        let passing = self.rng.u32(900..999);
        self.transaction([
            format!("UPDATE tb_ord_mst SET ord_st_cd = '20' WHERE ord_no = {order}"),
            format!("INSERT INTO tb_ord_dtl (ord_no, ord_seq, item_no) VALUES ({order}, {passing}, 1)"),
            format!("UPDATE tb_ord_mst SET ord_st_cd = '30', dlv_amt = 0 WHERE ord_no = {order}"),
            format!("DELETE FROM tb_ord_dtl WHERE ord_no = {order} AND ord_seq = {passing}"),
            format!("UPDATE tb_ord_mst SET ord_st_cd = '40' WHERE ord_no = {order}"),
        ])
        .await
    }

    pub async fn rolled_back(&mut self) -> Done {
        let order = self.order().await?;
        self.run("BEGIN").await?;
        self.run(format!("UPDATE tb_ord_mst SET ord_st_cd = 'XX' WHERE ord_no = {order}")).await?;
        self.run(format!("DELETE FROM tb_ord_dtl WHERE ord_no = {order}")).await?;
        self.run("ROLLBACK").await?;
        Ok(Outcome::RolledBack)
    }

    pub async fn partly_rolled_back(&mut self) -> Done {
        let order = self.order().await?;
        let state = pick(&mut self.rng, &["20", "50", "60"]);
        self.transaction([
            format!("UPDATE tb_ord_mst SET ord_st_cd = '{state}' WHERE ord_no = {order}"),
            "SAVEPOINT a".into(),
            format!("UPDATE tb_ord_dtl SET qty = 99, item_nm = '취소될 변경' WHERE ord_no = {order}"),
            "ROLLBACK TO SAVEPOINT a".into(),
            "SAVEPOINT b".into(),
            format!("UPDATE tb_ord_dtl SET dc_amt = 1.23 WHERE ord_no = {order} AND ord_seq = 1"),
            "RELEASE SAVEPOINT b".into(),
        ])
        .await
    }
}
